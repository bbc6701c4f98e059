"""清河古镇: a small town park of another operator, with one gate and one ticket a day."""

from shanmen.catalog.admission_hours import HoursSpec
from shanmen.catalog.schemas import LimitsSpec, LocalText, RefundStepSpec, TicketTypeSpec
from shanmen.demo import logins
from shanmen.demo.build import Gate, Hours, Kind, ParkSpec, Price, both

REFUND = [RefundStepSpec(hours_before=0, fee_percent=0)]
ENTRY = LimitsSpec(per_document_day=1, per_document_slot=1, group="entry")

KINDS = (
    Kind(
        "adult",
        TicketTypeSpec(
            name=LocalText(zh="古镇联票", en="Town ticket"),
            description=LocalText(
                zh="含书院、染坊与船埠三处展馆。",
                en="With the academy, the dye house and the wharf.",
            ),
            refund=REFUND,
            limits=ENTRY,
            position=10,
        ),
        [Price("平日", 45), Price("节假日", 55, day_kind="holiday")],
        [("day", 1)],
    ),
    Kind(
        "child",
        TicketTypeSpec(
            name=LocalText(zh="儿童票（6–17 岁）", en="Child (6–17)"),
            audience="child",
            min_age=6,
            max_age=17,
            refund=REFUND,
            limits=ENTRY,
            position=20,
        ),
        [Price("平日", 20)],
        [("day", 1)],
    ),
    Kind(
        "senior",
        TicketTypeSpec(
            name=LocalText(zh="长者票（60 岁以上）", en="Senior (60 and over)"),
            audience="senior",
            min_age=60,
            refund=REFUND,
            limits=ENTRY,
            position=30,
        ),
        [Price("平日", 20)],
        [("day", 1)],
    ),
    Kind(
        "pass",
        TicketTypeSpec(
            name=LocalText(zh="古镇年卡", en="Annual pass"),
            description=LocalText(
                zh="自首次游览日起 365 天内不限次入园，本人凭证件或动态码使用。",
                en="Any number of visits in 365 days from the first, for its holder alone.",
            ),
            audience="any",
            entries=0,
            valid_days=365,
            rotating=True,
            max_per_order=4,
            refund=REFUND,
            limits=LimitsSpec(per_document_day=1, per_document_year=1, group="pass"),
            position=40,
        ),
        [Price("年卡", 128)],
        [("day", 1)],
    ),
    Kind(
        "weekday-pass",
        TicketTypeSpec(
            name=LocalText(zh="平日年卡", en="Weekday pass"),
            description=LocalText(
                zh="365 天内工作日不限次入园；周末请在 9:30 前入园，法定节假日不可用。",
                en="Any number of visits on workdays in 365 days; at weekends come before 9:30.",
            ),
            audience="any",
            entries=0,
            valid_days=365,
            rotating=True,
            max_per_order=4,
            refund=REFUND,
            limits=LimitsSpec(per_document_day=1, per_document_year=1, group="pass"),
            admission_hours=[
                HoursSpec(day_kinds=["workday"]),
                HoursSpec(ends="09:30", day_kinds=["weekend"]),
            ],
            position=50,
        ),
        [Price("平日年卡", 88)],
        [("day", 1)],
    ),
)

GUZHEN = ParkSpec(
    code="guzhen",
    slug="guzhen",
    tenant=both("清河古镇管委会（演示）", "Qinghe Town Office (demo)"),
    name=both("清河古镇", "Qinghe Old Town"),
    intro=both(
        "一河两街、十二座石桥的水乡小镇，国家 3A 级景区。沿河的染坊与书院仍在使用。（演示虚构）",
        "One river, two streets and twelve stone bridges. The dye house and the academy by the "
        "water are still in use. (Made up for the demo.)",
    ),
    notice=both(
        "居民日常出行不受影响；请勿进入未开放院落。",
        "People live here: please do not enter yards that are not open.",
    ),
    address=both("清河镇码头街 8 号（虚构）", "8 Wharf Street, Qinghe (fictional)"),
    # Open around the clock, so that the gate can be tried at any hour.
    hours=both("全天开放", "Open day and night"),
    phone="0571-00000001",
    zones={"main": both("古镇", "Old town")},
    gates=(
        Gate(
            "archway",
            "main",
            both("牌坊入口", "Archway"),
            lanes_in=(both("游客通道", "Visitors"), both("无障碍通道", "Step-free")),
        ),
    ),
    pools={
        "day": (
            both("全天", "All day"),
            (
                Hours("平日", [("00:00", "23:59", 400)]),
                Hours("周末与节假日", [("00:00", "23:59", 700)], day_kind="weekend"),
                Hours("节假日", [("00:00", "23:59", 900)], day_kind="holiday"),
            ),
        )
    },
    kinds=KINDS,
    logins=logins.GUZHEN,
)
