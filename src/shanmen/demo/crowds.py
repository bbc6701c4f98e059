"""Who comes to the demo's parks, and what they buy."""

from collections.abc import Mapping

from shanmen.demo.plan import Model, Recipe

YUNLING = Model(
    recipes=(
        Recipe(10, {"adult": 1}),
        Recipe(15, {"adult": 2}),
        Recipe(4, {"adult": 3}),
        Recipe(4, {"adult": 4}),
        Recipe(4, {"bundle": 1}),
        Recipe(9, {"bundle": 2}),
        Recipe(2, {"bundle": 4}),
        Recipe(3, {"bundle": 2, "child": 1}),
        Recipe(16, {"family": 1}),
        Recipe(1, {"family": 2}),
        Recipe(6, {"adult": 2, "child": 1}),
        Recipe(3, {"adult": 2, "child": 2}),
        Recipe(2, {"adult": 1, "child": 1}),
        Recipe(3, {"student": 1}),
        Recipe(4, {"student": 2}),
        Recipe(2, {"student": 4}),
        Recipe(2, {"senior": 1}),
        Recipe(4, {"senior": 2}),
        Recipe(2, {"adult": 2, "senior": 2}),
        Recipe(2.5, {"adult": 1, "elder": 1}),
        Recipe(1.5, {"adult": 2, "elder": 2}),
        Recipe(1, {"elder": 2}),
        Recipe(4, {"cableway": 1}),
        Recipe(4, {"cableway": 2}),
        Recipe(1, {"theatre": 2}),
    ),
    pool_of={
        "adult": "gate",
        "child": "gate",
        "senior": "gate",
        "elder": "gate",
        "student": "gate",
        "family": "gate",
        "bundle": "gate",
        "cableway": "cableway",
        "theatre": "theatre",
    },
    ride_of={"bundle": "cableway"},
    show="theatre",
    show_share=0.06,
    slot_weights={"gate": (22, 37, 24, 12, 5), "cableway": (8, 14, 17, 15, 12, 14, 12, 8)},
)

GUZHEN = Model(
    recipes=(
        Recipe(20, {"adult": 1}),
        Recipe(35, {"adult": 2}),
        Recipe(10, {"adult": 3}),
        Recipe(15, {"adult": 2, "child": 1}),
        Recipe(10, {"senior": 2}),
        Recipe(10, {"adult": 2, "senior": 2}),
    ),
    pool_of={"adult": "day", "child": "day", "senior": "day"},
)

MODELS: Mapping[str, Model] = {"yunling": YUNLING, "guzhen": GUZHEN}
"""By the tenant's code."""

SHARES: Mapping[str, float] = {"yunling": 1.03, "guzhen": 0.05}
"""Each park's orders, of the number that was asked for: a few of a full day are turned away."""
