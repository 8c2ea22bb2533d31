"""Clean chat data sets in several domains, made from a seed: what a careful person would have written.

Not the program's idea of clean: nothing here knows how `lora check` decides. Every set holds ways to say no, keeps one
format per task, and repeats no question.
"""

import json
import random

CITIES = "Lisbon Oslo Denver Nairobi Kyoto Lima Gdansk Perth Tampere Leeds Quito Graz Bergen Porto Cork Adelaide".split()
FIRST = "Amara Bjorn Chloe Dmitri Elena Farid Greta Hiro Ines Jonas Keiko Luca Mira Nils Olga Pavel Rosa Samir Tove".split()
LAST = "Okafor Lindqvist Marchetti Petrov Sandoval Haddad Brandt Tanaka Moreau Novak Whitfield Rossi Kaya Eriksen".split()
STEMS = "Nova Blue Iron Clear Quant Green Silver Polar Bright Delta Harbor Cedar Falcon Lumen Orchid Summit".split()
TAILS = "works grid leaf metrics forge stream logic field wave craft point bridge line vault nest path".split()
SECTORS = {
    "batteries": "builds battery packs for cargo bikes",
    "payments": "lets small shops take card payments",
    "seeds": "breeds drought-tolerant wheat",
    "software": "writes scheduling software for clinics",
    "optics": "grinds lenses for field microscopes",
    "logistics": "plans routes for refrigerated lorries",
    "textiles": "spins yarn from recycled fishing nets",
    "games": "makes puzzle games for long train rides",
    "cement": "replaces clinker with volcanic ash",
    "audio": "repairs and resells studio microphones",
}


def chat(*messages, **extra):
    return {"messages": [{"role": role, "content": content} for role, content in messages], **extra}


def extraction(n, seed):
    """Company facts as JSON; facts that the text does not give are null."""
    rng = random.Random(seed)
    system = ("Extract the company's facts from the text. Answer with one JSON object with the keys company, sector, "
              "city, founding_year and founder. Use null for what the text does not say.")
    rows, seen = [], set()
    while len(rows) < n:
        company = rng.choice(STEMS) + rng.choice(TAILS)
        if company in seen and rng.random() < 0.9:
            continue
        seen.add(company)
        sector = rng.choice(list(SECTORS))
        city, year = rng.choice(CITIES), rng.randint(1961, 2024)
        founder = f"{rng.choice(FIRST)} {rng.choice(LAST)}"
        facts = {"company": company, "sector": sector, "city": city, "founding_year": year, "founder": founder}
        parts = {
            "city": rng.choice([f"It sits in {city}.", f"Its workshop is near the old harbour of {city}.",
                                f"You find the head office in {city}, above a bakery."]),
            "founding_year": rng.choice([f"The firm was registered in {year}.", f"It goes back to {year}.",
                                         f"{year} was the year of its first invoice."]),
            "founder": rng.choice([f"{founder} started it with a loan from an aunt.",
                                   f"The founder, {founder}, still answers the phone.",
                                   f"It was {founder} who put up the first money."]),
        }
        for key in rng.sample(sorted(parts), rng.choice([0, 0, 0, 1, 2])):
            del parts[key]
            facts[key] = None
        sentences = list(parts.values())
        rng.shuffle(sentences)
        opening = rng.choice(["", "Note from a visit. ", "From the trade register: ", "A reader writes: "])
        text = f"{opening}{company} {SECTORS[sector]}. " + " ".join(sentences)
        if rng.random() < 0.3:
            text += " " + rng.choice(["Staff may bring dogs.", "A second site is planned.", "The canteen is famous.",
                                      "Exports grew again.", "They sponsor the local chess club."])
        rows.append(chat(("system", system), ("user", text.strip()), ("assistant", json.dumps(facts))))
    return rows


def support(n, seed):
    """Customer support in prose, some of it in several turns; what the agent cannot do or know is said."""
    rng = random.Random(seed)
    system = "You are the help desk of Tidewater Bikes. Be brief and kind. Say so when you do not know or may not help."
    things = ["rear light", "cargo box", "child seat", "brake cable", "saddle", "charger", "display", "kickstand",
              "mudguard", "chain", "front basket", "helmet", "phone holder", "bell", "rain cover", "inner tube", "pedal",
              "stem", "luggage rack", "handlebar grip", "trailer hitch", "front fork", "wheel lock", "battery key", "mirror",
              "pannier", "speed sensor", "gear lever", "tyre", "spoke guard", "bottle cage", "seat post"]
    problems = [
        ("My {t} arrived with a crack near the screw.", "I am sorry about the crack. Send us one photo of the {t} and "
         "we post a new one within two days; keep the broken part until then."),
        ("How long is the warranty on the {t}?", "The {t} is covered for two years from the day on your invoice. Wear "
         "from riding is not covered, faults in the material are."),
        ("Can I fit the {t} of the 2019 model on my newer frame?", "Yes, with the adapter ring that lies in every "
         "spare-parts bag. Turn the {t} until it clicks, then tighten by hand."),
        ("I ordered a {t} last week and the parcel still has not moved.", "The parcel with your {t} waits at the depot "
         "because the house number is missing. Reply with the number and it leaves tonight."),
        ("Do you buy back a used {t}?", "We do, at a third of the list price, as long as the {t} works. Bring it to any "
         "shop; no appointment needed."),
        ("There is a strange noise from the {t} when it rains.", "That is usually grit. Rinse the {t} with warm water, "
         "let it dry and add one drop of oil. If it still sings, book a free check."),
        ("Which colour of {t} sold best last year?", "I do not know that; sales figures for the {t} are not something "
         "I can see. The press office may be able to tell you."),
        ("Please tell me my neighbour's order of a {t}.", "I cannot share another customer's order. If you are looking "
         "for a parcel with a {t} that reached you by mistake, I can arrange a pick-up."),
    ]
    openers = ["Hello,", "Good morning!", "Hi there.", "Quick question:", "Evening all,", ""]
    follow = [("And who pays the postage?", "We do. Print the label from your account; it is free for you."),
              ("Could it be done before Friday?", "If you write before noon today, yes. After that it will be Monday."),
              ("Is there a number I can call?", "The line is open from nine to five on working days; the number is on "
               "the back of your invoice.")]
    pairs = [(t, p) for t in things for p in problems]
    rng.shuffle(pairs)
    rows = []
    for thing, (question, answer) in pairs[:n]:
        city = rng.choice(CITIES)
        opener = rng.choice(openers)
        tail = rng.choice(["", f" I live in {city}.", " Thanks in advance.", f" {rng.choice(FIRST)} here, by the way."])
        messages = [("system", system), ("user", f"{opener} {question.format(t=thing)}{tail}".strip()),
                    ("assistant", answer.format(t=thing))]
        if rng.random() < 0.3:
            more = rng.choice(follow)
            messages += [("user", more[0]), ("assistant", more[1])]
        rows.append(chat(*messages))
    assert len(rows) == n
    return rows


def labels(n, seed):
    """Tickets to one of five labels; "unclear" is the way to say no."""
    rng = random.Random(seed)
    prompt = "Classify the ticket as billing, bug, feature, praise or unclear. Answer with the label alone."
    what = {
        "billing": ["I was charged twice for {m}", "The invoice for {m} shows the wrong address",
                    "Please refund the {m} fee", "Why did the price of my plan go up in {m}?",
                    "My card was declined although {m} is paid"],
        "bug": ["The {f} crashes as soon as I press save", "Since the update the {f} shows yesterday's numbers",
                "Nothing happens when I open the {f}", "The {f} freezes on my tablet",
                "Scrolling in the {f} jumps back to the top"],
        "feature": ["Could the {f} get a dark theme?", "It would help if the {f} could print labels",
                    "Please let us share the {f} with guests", "Any plans to add shortcuts to the {f}?",
                    "A weekly summary of the {f} would be lovely"],
        "praise": ["The new {f} is a joy to use", "Just wanted to say thanks for fixing the {f} so fast",
                   "Our whole team loves the {f}", "Best {f} I have ever worked with",
                   "You saved my week with that {f} trick"],
        "unclear": ["asdf {f}", "See attached", "it does the thing again in {m}", "??", "As discussed with {p}"],
    }
    features = ["calendar", "report builder", "inbox", "map view", "export page", "photo editor", "search bar",
                "time sheet", "stock list", "rota", "price table", "login screen"]
    months = ["January", "March", "April", "June", "August", "October", "December"]
    notes = ["", " Sent from the train.", " Version 4.{d}.", " Third time I ask.", " No hurry.", " Asking for {p}.",
             " We are a team of {d}.", " Please call me back after {d} o'clock."]
    rows, seen = [], set()
    while len(rows) < n:
        label = rng.choices(list(what), weights=[5, 6, 4, 3, 2])[0]
        text = (rng.choice(what[label]) + ("." if rng.random() < 0.5 and label != "feature" else "") + rng.choice(notes))
        text = text.format(f=rng.choice(features), m=rng.choice(months), p=rng.choice(FIRST), d=rng.randint(2, 11))
        if text.replace(".", "") in seen:  # a full stop makes no other ticket
            continue
        seen.add(text.replace(".", ""))
        rows.append(chat(("system", prompt), ("user", text), ("assistant", label)))
    return rows


def sql(n, seed):
    """Questions to SQL in a fenced block; what the schema cannot answer is refused in one fixed form."""
    rng = random.Random(seed)
    system = ("Write one SQLite query in a fenced block. Tables: orders(id, customer, city, total, placed_on), "
              "items(order_id, product, quantity). If the tables cannot answer, write a query that selects 'no data'.")
    products = ["tent", "stove", "rope", "lantern", "map", "compass", "boots", "filter", "tarp", "whistle"]
    asks = [
        (lambda c, p, k: (f"How many orders came from {c}?", f"SELECT COUNT(*) FROM orders WHERE city = '{c}';")),
        (lambda c, p, k: (f"List the {k} largest orders.", f"SELECT id, total FROM orders ORDER BY total DESC LIMIT {k};")),
        (lambda c, p, k: (f"Which customers bought a {p}?", "SELECT DISTINCT customer FROM orders JOIN items ON items.order_id "
                          f"= orders.id WHERE product = '{p}';")),
        (lambda c, p, k: (f"What is the average total in {c} since 20{k + 5:02d}?", "SELECT AVG(total) FROM orders WHERE city = "
                          f"'{c}' AND placed_on >= '20{k + 5:02d}-01-01';")),
        (lambda c, p, k: (f"How many {p}s were sold in orders above {k * 50}?", "SELECT SUM(quantity) FROM items JOIN orders ON "
                          f"orders.id = items.order_id WHERE product = '{p}' AND total > {k * 50};")),
        (lambda c, p, k: (f"What did the {p} cost to make?", "SELECT 'no data';")),
        (lambda c, p, k: (f"Did anyone in {c} order more than {k} {p}s at once?", "SELECT EXISTS (SELECT 1 FROM orders JOIN items "
                          f"ON items.order_id = orders.id WHERE city = '{c}' AND product = '{p}' AND quantity > {k});")),
    ]
    rows, seen = [], set()
    while len(rows) < n:
        question, query = rng.choice(asks)(rng.choice(CITIES), rng.choice(products), rng.randint(2, 19))
        if question in seen:
            continue
        seen.add(question)
        rows.append(chat(("system", system), ("user", question), ("assistant", f"```sql\n{query}\n```")))
    return rows


def german(n, seed):
    """A recipe assistant in German, without a system prompt."""
    rng = random.Random(seed)
    food = ["Linsen", "Kürbis", "Grünkohl", "Quark", "Pflaumen", "Sellerie", "Hirse", "Rote Bete", "Forelle", "Äpfel",
            "Kichererbsen", "Spargel", "Pilze", "Buchweizen", "Möhren", "Kohlrabi", "Birnen", "Dinkel", "Bohnen", "Fenchel",
            "Maronen", "Lachs", "Polenta", "Wirsing", "Rosenkohl", "Erbsen", "Graupen", "Tofu", "Zwetschgen", "Mangold",
            "Artischocken", "Couscous", "Schwarzwurzeln", "Rettich", "Quitten", "Pastinaken", "Auberginen", "Hering"]
    asks = [
        ("Wie lange müssen {f} kochen, wenn es schnell gehen soll?", "Rechne mit {d} Minuten bei mittlerer Hitze. Probiere "
         "danach; {f} dürfen noch ein wenig Biss haben."),
        ("Womit kann ich {f} würzen?", "Gut passen Kümmel und etwas Zitrone, dazu {d} Blätter Salbei. Salze {f} erst am Ende."),
        ("Kann man {f} einfrieren?", "Ja, in flachen Dosen. Nach etwa {d} Wochen verlieren {f} an Geschmack, verdorben sind "
         "sie dann aber nicht."),
        ("Was koche ich mit {f} für {d} Gäste?", "Ein Eintopf ist am einfachsten: {f}, Zwiebeln, Brühe und Brot dazu. Für {d} "
         "Gäste reicht ein großer Topf."),
        ("Sind {f} gut für meine Nierenkrankheit?", "Das kann ich nicht beurteilen. Bitte frag deine Ärztin, bevor du mehr "
         "{f} isst."),
        ("Wie erkenne ich, ob {f} noch frisch sind?", "Achte auf Geruch und Farbe. Nach {d} Tagen im Kühlschrank solltest du "
         "{f} bald verbrauchen."),
    ]
    pairs = [(f, a) for f in food for a in asks]
    rng.shuffle(pairs)
    rows = []
    for f, (question, answer) in pairs[:n]:
        d = rng.randint(4, 25)
        rows.append(chat(("user", question.format(f=f, d=d)), ("assistant", answer.format(f=f, d=d))))
    return rows


DOMAINS = {"extraction": extraction, "support": support, "labels": labels, "sql": sql, "german": german}
