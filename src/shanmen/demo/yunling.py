"""云岭山: a mountain park with two gates, a cableway and a theatre. It does not exist."""

from shanmen.catalog.schemas import (
    LimitsSpec,
    LocalText,
    RefundStepSpec,
    RescheduleSpec,
    TicketTypeSpec,
)
from shanmen.demo import logins
from shanmen.demo.build import Gate, Hours, Kind, ParkSpec, Price, both
from shanmen.inventory.division import AllotmentSpec

REFUND = [
    RefundStepSpec(hours_before=24, fee_percent=0),
    RefundStepSpec(hours_before=2, fee_percent=10),
    RefundStepSpec(hours_before=0, fee_percent=30),
]
RESCHEDULE = RescheduleSpec(times=1, hours_before=2)
ENTRY = LimitsSpec(per_document_day=1, per_document_slot=1, group="entry")


def _entry_prices(off: int, peak: int, weekend: int, holiday: int) -> list[Price]:
    return [
        Price("淡季", off),
        Price("旺季", peak, peak=True),
        Price("旺季周末", weekend, peak=True, day_kind="weekend"),
        Price("节假日", holiday, day_kind="holiday"),
    ]


KINDS = (
    Kind(
        "adult",
        TicketTypeSpec(
            name=LocalText(zh="成人票", en="Adult"),
            description=LocalText(
                zh="含大门一次入园。凭证件或动态码入园。",
                en="One entry to the mountain, by ID document or the code that changes.",
            ),
            audience="adult",
            rotating=True,
            max_per_order=8,
            refund=REFUND,
            reschedule=RESCHEDULE,
            limits=ENTRY,
            position=10,
        ),
        _entry_prices(80, 120, 130, 140),
        [("gate", 1)],
    ),
    Kind(
        "child",
        TicketTypeSpec(
            name=LocalText(zh="儿童票（6–17 岁）", en="Child (6–17)"),
            description=LocalText(
                zh="6 岁以下儿童随成人免费入园，无需购票。",
                en="Children under 6 enter free with an adult and need no ticket.",
            ),
            audience="child",
            min_age=6,
            max_age=17,
            max_per_order=8,
            refund=REFUND,
            reschedule=RESCHEDULE,
            limits=ENTRY,
            position=20,
        ),
        _entry_prices(40, 60, 65, 70),
        [("gate", 1)],
    ),
    Kind(
        "senior",
        TicketTypeSpec(
            name=LocalText(zh="长者票（60–69 岁）", en="Senior (60–69)"),
            description=LocalText(zh="半价，凭身份证件入园。", en="Half price, with ID."),
            audience="senior",
            min_age=60,
            max_age=69,
            max_per_order=8,
            refund=REFUND,
            reschedule=RESCHEDULE,
            limits=ENTRY,
            position=30,
        ),
        _entry_prices(40, 60, 65, 70),
        [("gate", 1)],
    ),
    Kind(
        "elder",
        TicketTypeSpec(
            name=LocalText(zh="70 岁以上免费票", en="70 and over, free"),
            description=LocalText(zh="免费，仍须预约时段。", en="Free; book a time all the same."),
            audience="senior",
            min_age=70,
            max_per_order=8,
            refund=[RefundStepSpec(hours_before=0, fee_percent=0)],
            reschedule=RESCHEDULE,
            limits=ENTRY,
            position=40,
        ),
        [Price("免费", 0)],
        [("gate", 1)],
    ),
    Kind(
        "student",
        TicketTypeSpec(
            name=LocalText(zh="学生票", en="Student"),
            description=LocalText(
                zh="全日制学生，入园时出示学生证。", en="Full-time students, with their card."
            ),
            audience="student",
            min_age=16,
            max_age=30,
            max_per_order=8,
            refund=REFUND,
            reschedule=RESCHEDULE,
            limits=ENTRY,
            position=50,
        ),
        _entry_prices(50, 70, 80, 85),
        [("gate", 1)],
    ),
    Kind(
        "family",
        TicketTypeSpec(
            name=LocalText(zh="亲子票（2 大 1 小）", en="Family of three"),
            description=LocalText(
                zh="两位成人与一位儿童，可分批入园。",
                en="Two adults and a child; they may enter one after the other.",
            ),
            audience="family",
            party_size=3,
            max_per_order=4,
            refund=REFUND,
            reschedule=RESCHEDULE,
            limits=ENTRY,
            position=60,
        ),
        _entry_prices(180, 260, 280, 300),
        [("gate", 3)],
    ),
    Kind(
        "bundle",
        TicketTypeSpec(
            name=LocalText(zh="大门 + 索道套票", en="Gate and cableway"),
            description=LocalText(
                zh="大门一次入园，并在所选时段乘索道上行。",
                en="One entry, and the cableway up at the time that you choose.",
            ),
            audience="adult",
            zones=[0, 1],
            rotating=True,
            max_per_order=8,
            refund=REFUND,
            reschedule=RESCHEDULE,
            limits=ENTRY,
            position=5,
        ),
        _entry_prices(125, 180, 190, 210),
        [("gate", 1), ("cableway", 1)],
    ),
    Kind(
        "cableway",
        TicketTypeSpec(
            name=LocalText(zh="索道上行票", en="Cableway up"),
            description=LocalText(zh="须另有大门票。", en="The gate's ticket is sold separately."),
            audience="any",
            zones=[1],
            max_per_order=8,
            refund=REFUND,
            reschedule=RESCHEDULE,
            limits=LimitsSpec(per_document_day=2, per_document_slot=1, group="cableway"),
            position=70,
        ),
        [Price("淡季", 60), Price("旺季", 80, peak=True), Price("节假日", 90, day_kind="holiday")],
        [("cableway", 1)],
    ),
    Kind(
        "theatre",
        TicketTypeSpec(
            name=LocalText(zh="《云海》剧场票", en="“Sea of clouds” show"),
            description=LocalText(
                zh="云海剧场，每场 50 分钟，座位到场安排。",
                en="In the park's theatre, 50 minutes; seats are given at the door.",
            ),
            audience="any",
            zones=[2],
            max_per_order=10,
            sale_closes_minutes=30,
            refund=[
                RefundStepSpec(hours_before=24, fee_percent=0),
                RefundStepSpec(hours_before=4, fee_percent=50),
            ],
            limits=LimitsSpec(per_document_day=2, per_document_slot=1, group="show"),
            position=80,
        ),
        [Price("平日", 98), Price("周末", 118, day_kind="weekend"),
         Price("节假日", 138, day_kind="holiday")],
        [("theatre", 1)],
    ),
)  # fmt: skip

EXIT = both("出口", "Way out")
TWO_HOURS = ("07:00", "09:00", "11:00", "13:00", "15:00", "17:00")
WINTER = ("08:00", "10:00", "12:00", "14:00", "16:00")
RIDES = ("08:30", "09:30", "10:30", "11:30", "12:30", "13:30", "14:30", "15:30", "16:30")


def _day(times: tuple[str, ...], *places: int) -> list[tuple[str, str, int]]:
    return list(zip(times, times[1:], places, strict=False))


GATE_HOURS = (
    Hours("淡季", _day(WINTER, 220, 300, 220, 120)),
    Hours("淡季周末", _day(WINTER, 320, 440, 320, 180), day_kind="weekend"),
    Hours("旺季", _day(TWO_HOURS, 260, 440, 320, 260, 140), peak=True),
    Hours("旺季周末", _day(TWO_HOURS, 340, 580, 440, 340, 180), peak=True, day_kind="weekend"),
    Hours("节假日", _day(TWO_HOURS, 400, 680, 500, 400, 220), day_kind="holiday"),
)
RIDE_HOURS = (
    Hours("淡季", _day(RIDES, *[90] * 8)),
    Hours("旺季", _day(RIDES, *[150] * 8), peak=True),
    Hours("节假日", _day(RIDES, *[240] * 8), day_kind="holiday"),
)
SHOWS = [("10:30", "11:30", 160), ("14:30", "15:30", 160), ("19:30", "20:30", 200)]
SHOW_HOURS = (
    Hours("淡季", SHOWS[1:2]),
    Hours("淡季周末", SHOWS[:2], day_kind="weekend"),
    Hours("旺季", SHOWS[1:], peak=True),
    Hours("旺季周末", SHOWS, peak=True, day_kind="weekend"),
    Hours("节假日", SHOWS, day_kind="holiday"),
)

YUNLING = ParkSpec(
    code="yunling",
    slug="yunling",
    tenant=both("云岭旅游集团（演示）", "Yunling Tourism (demo)"),
    name=both("云岭山景区", "Yunling Mountain"),
    intro=both(
        "云岭山主峰海拔 1,864 米，四季云海，古松夹道。南门经石阶上山约三小时，"
        "索道八分钟可达云海平台；午后的云海剧场以本地山歌与皮影讲述守林人的故事。"
        "（本景区为演示虚构。）",
        "Yunling's main peak rises to 1,864 metres above a sea of clouds, on paths of old pines. "
        "From the south gate it is three hours on stone steps, or eight minutes by cableway to the "
        "cloud terrace; the theatre tells of the forest keepers in song and shadow play. "
        "(This park is made up for the demo.)",
    ),
    notice=both(
        "实名分时预约：请按所选时段入园，最早可提前 15 分钟。入园请出示证件或手机动态码，截图无效。"
        "山上气温较低，雨雾天请注意防滑。",
        "Entry is by name and time: come within your time, at most 15 minutes early, with your ID "
        "or the changing code on your phone; a screenshot does not work. It is cool up there.",
    ),
    address=both("云岭县山前路 1 号（虚构）", "1 Shanqian Road, Yunling (fictional)"),
    hours=both(
        "4–10 月 07:00–17:00 入园；11–3 月 08:00–16:00 入园",
        "April to October, entry 07:00–17:00; November to March, entry 08:00–16:00",
    ),
    phone="0571-00000000",
    zones={
        "main": both("主景区", "Mountain"),
        "cableway": both("索道", "Cableway"),
        "theatre": both("云海剧场", "Cloud theatre"),
    },
    gates=(
        Gate(
            "south",
            "main",
            both("南门", "South gate"),
            lanes_in=(
                both("散客左通道", "Visitors, left"),
                both("散客右通道", "Visitors, right"),
                both("团队通道", "Groups"),
                both("无障碍通道", "Step-free"),
            ),
            lanes_out=(EXIT,),
        ),
        Gate(
            "east",
            "main",
            both("东门", "East gate"),
            lanes_in=(both("散客通道", "Visitors"), both("无障碍通道", "Step-free")),
            lanes_out=(EXIT,),
        ),
        Gate(
            "station",
            "cableway",
            both("索道站", "Cableway station"),
            lanes_in=(both("散客通道", "Visitors"), both("优先通道", "Priority")),
        ),
        Gate(
            "theatre",
            "theatre",
            both("剧场检票口", "Theatre door"),
            lanes_in=(both("观众入口", "Audience"),),
        ),
    ),
    pools={
        "gate": (both("大门", "Gate"), GATE_HOURS),
        "cableway": (both("索道", "Cableway"), RIDE_HOURS),
        "theatre": (both("云海剧场", "Cloud theatre"), SHOW_HOURS),
    },
    pool_zones={"gate": "main", "cableway": "cableway", "theatre": "theatre"},
    kinds=KINDS,
    logins=logins.YUNLING,
    # Guaranteed for a while, and never so much that visitors of the demo find nothing left.
    shares={
        "gate": (
            AllotmentSpec(channel="window", kind="minimum", percent=10, release_minutes=60),
            AllotmentSpec(channel="meituan", kind="minimum", percent=8, release_minutes=1440),
            AllotmentSpec(channel="ctrip", kind="minimum", percent=6, release_minutes=1440),
        ),
    },
)
