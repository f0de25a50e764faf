"""Integer sums in one form: terms with factors. Pure functions."""

from __future__ import annotations

Affine = dict[str, int]  # term -> factor; "" is the constant


def plus(left: Affine, right: Affine, sign: int = 1) -> Affine:
    """Left + sign * right."""
    total = dict(left)
    for term, factor in right.items():
        total[term] = total.get(term, 0) + sign * factor
    return total


def times(left: Affine, right: Affine) -> Affine:
    """Left * right: a sum still where one of them is a number, else a term of its own."""
    for one, other in ((left, right), (right, left)):
        if not any(factor for term, factor in one.items() if term):
            return {term: factor * one.get("", 0) for term, factor in other.items()}
    return {f"({render(left)})*({render(right)})": 1}


def render(sum_: Affine) -> str:
    """The sum as text: terms in order, then the constant."""
    terms = [f"{factor}*{term}" if factor != 1 else term for term, factor in sorted(sum_.items()) if term and factor]
    constant = sum_.get("", 0)
    if constant or not terms:
        terms.append(str(constant))
    return "+".join(terms)
