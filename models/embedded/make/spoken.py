"""Numbers, dates, money, telephone numbers and the like as words: the slots of templates that no list can hold."""

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
MONTHS = "january february march april may june july august september october november december".split()
WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
ALPHABET = (
    "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec romeo "
    "sierra tango uniform victor whiskey yankee zulu"
).split()


def below_hundred(number):
    """The words of 0..99."""
    if number < 20:
        return ONES[number]
    tens = TENS[number // 10 - 2]
    return tens if number % 10 == 0 else f"{tens} {ONES[number % 10]}"


def cardinal(number):
    """The words of 0..999999."""
    if number < 100:
        return below_hundred(number)
    if number < 1000:
        head, rest = f"{ONES[number // 100]} hundred", number % 100
    else:
        head, rest = f"{cardinal(number // 1000)} thousand", number % 1000
    return head if rest == 0 else f"{head} {cardinal(rest)}"


def ordinal(number):
    """The words of a day of the month, 1..31."""
    if number <= 20:
        return ORDINALS[number - 1]
    if number == 30:
        return "thirtieth"
    return f"{'twenty' if number < 30 else 'thirty'} {ORDINALS[number % 10 - 1]}"


def digits(rng, count):
    return " ".join(ONES[rng.randrange(10)] for _ in range(count))


def spoken_time(rng):
    hour = ONES[rng.randint(1, 12)]
    return rng.choice(
        [
            f"{hour} o'clock",
            f"half past {hour}",
            f"a quarter to {hour}",
            f"a quarter past {hour}",
            f"{hour} {rng.choice(['fifteen', 'thirty', 'forty five', 'twenty', 'ten'])}",
            f"{hour} in the {rng.choice(['morning', 'afternoon', 'evening'])}",
        ]
    )


def spoken_date(rng):
    month, number = rng.choice(MONTHS), ordinal(rng.randint(1, 31))
    return rng.choice([f"{month} {number}", f"the {number} of {month}"])


def spoken_year(rng):
    return rng.choice(
        [
            f"nineteen {below_hundred(rng.randint(40, 99))}",
            f"twenty {below_hundred(rng.randint(10, 29))}",
            f"two thousand {ONES[rng.randint(1, 9)]}",
        ]
    )


def spoken_money(rng):
    currency = rng.choice(["dollars", "dollars", "euros", "pounds"])
    amount = cardinal(big_number(rng)) if rng.random() < 0.4 else below_hundred(rng.randint(2, 99))
    cents = f" and {below_hundred(rng.randint(2, 99))} cents" if rng.random() < 0.25 else ""
    return f"{amount} {currency}{cents}"


def big_number(rng):
    return rng.choice(
        [rng.randint(100, 999), rng.randint(1, 99) * 100, rng.randint(1, 99) * 1000, rng.randint(1000, 9999)]
    )


def duration(rng):
    unit = rng.choice(["minutes", "hours", "days", "weeks", "months", "years"])
    return rng.choice(
        [
            f"{below_hundred(rng.randint(2, 60))} {unit}",
            "half an hour",
            "a few minutes",
            f"a {unit[:-1]}" if unit != "hours" else "an hour",
        ]
    )


def day(rng):
    return rng.choice(
        [
            "today",
            "yesterday",
            "tomorrow",
            f"last {rng.choice(WEEKDAYS)}",
            f"next {rng.choice(WEEKDAYS)}",
            "this morning",
            "last night",
            f"on {rng.choice(WEEKDAYS)}",
        ]
    )


def phone(rng):
    return (
        f"{digits(rng, 3)} {digits(rng, 3)} {digits(rng, 4)}"
        if rng.random() < 0.7
        else f"plus {digits(rng, 2)} {digits(rng, 8)}"
    )


def code(rng):
    return " ".join(
        rng.choice(ALPHABET) if rng.random() < 0.5 else ONES[rng.randrange(10)] for _ in range(rng.randint(4, 6))
    )


def email(rng, words):
    user = rng.choice(
        [
            f"{rng.choice(words['first'])} dot {rng.choice(words['last'])}",
            rng.choice(words["first"]),
            rng.choice(["info", "office", "contact"]),
        ]
    )
    return f"{user} at {rng.choice(words['domain'])} dot {rng.choice(['com', 'net', 'org'])}"


RELATIVES = (
    "wife husband brother sister mother father daughter son friend uncle aunt cousin grandmother grandfather"
).split()
DAYTIMES = ["in the morning", "in the afternoon", "in the evening", "before noon", "after lunch", "at night"]
ROOMS = "kitchen,bathroom,bedroom,living room,garden,garage,basement,hallway,office,balcony,attic".split(",")
CONTAINERS = ["fridge", "oven", "freezer", "cupboard", "bowl", "basket", "drawer"]

# Slots that are made up on the spot: {slot: function of (rng, word lists)}.
COMPUTED = {
    "digit": lambda rng, words: ONES[rng.randrange(10)],
    "digits3": lambda rng, words: digits(rng, 3),
    "digits4": lambda rng, words: digits(rng, 4),
    "digits5": lambda rng, words: digits(rng, 5),
    "digits6": lambda rng, words: digits(rng, 6),
    "digits8": lambda rng, words: digits(rng, 8),
    "small": lambda rng, words: ONES[rng.randint(2, 12)],
    "count": lambda rng, words: below_hundred(rng.randint(2, 60)),
    "number100": lambda rng, words: below_hundred(rng.randint(2, 99)),
    "bignumber": lambda rng, words: cardinal(big_number(rng)),
    "percent": lambda rng, words: f"{below_hundred(rng.randint(2, 60))} percent",
    "money": lambda rng, words: spoken_money(rng),
    "time": lambda rng, words: spoken_time(rng),
    "date": lambda rng, words: spoken_date(rng),
    "year": lambda rng, words: spoken_year(rng),
    "ordinal": lambda rng, words: ordinal(rng.randint(1, 31)),
    "month": lambda rng, words: rng.choice(MONTHS),
    "weekday": lambda rng, words: rng.choice(WEEKDAYS),
    "duration": lambda rng, words: duration(rng),
    "phone": lambda rng, words: phone(rng),
    "card": lambda rng, words: " ".join(digits(rng, 4) for _ in range(4)),
    "code": lambda rng, words: code(rng),
    "email": email,
    "day": lambda rng, words: day(rng),
    "daytime": lambda rng, words: rng.choice(DAYTIMES),
    "person2": lambda rng, words: rng.choice(RELATIVES),
    "room": lambda rng, words: rng.choice(ROOMS),
    "room2": lambda rng, words: rng.choice(CONTAINERS),
}
