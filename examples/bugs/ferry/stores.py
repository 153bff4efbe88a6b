"""What the galley has in store."""


def deliver(goods, stock={}):
    """The stock after a delivery of ``(name, count)`` pairs."""
    for name, count in goods:
        stock[name] = stock.get(name, 0) + count
    return stock


def missing(stock, needed):
    """What must be bought: how many of each are needed beyond the stock."""
    return {
        name: count - stock.get(name, 0)
        for name, count in needed.items()
        if count > stock.get(name, 0)
    }


def portions(stock, recipe):
    """How often a recipe can be cooked; a recipe of nothing cannot be."""
    return min(stock.get(name, 0) // count for name, count in recipe.items())


def cheapest(offers):
    """The supplier with the lowest price; of equal ones the first by name."""
    best = None
    for name, price in sorted(offers.items()):
        if best is None or price < offers[best]:
            best = name
    return best
