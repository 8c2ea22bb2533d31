#!/usr/bin/env python3
"""Write the example's data: messages, and the JSON that should be read out of them.

usage: generate.py [--seed 1] [--rows 300] [--golden 10] [--out DIR]

Three schemas (contact, order, event), each stated in the system prompt; messages in four styles (e-mail, chat, note,
list), one to five sentences. What a message does not state is null in the answer; about one message in thirteen states
nothing at all. Standard library only. The same arguments give the same bytes.
"""
import argparse
import json
import pathlib
import random
import re

FIRST = """Amara Anton Beatriz Callum Chiara Daniel Dilek Edith Elif Farah Felix Gloria Goran Hana Hugo Ines Ivan Jamila Jonas
José Kai Keiko Lars Leila Lukas Mabel Marek Maya Nadia Nils Noor Oscar Otto Paloma Petra Quentin Rafael Renée Rosa Ruben Saskia
Selma Simon Sunita Tamar Theo Tomas Uma Victor Wanda Xenia Yara Yusuf Zora Zoë""".split()
LAST = """Abbott Adeyemi Almeida Bakker Banerjee Bergström Castillo Chandra Coleman Dalton Dupont Eriksen Farouk Fischer Gallo
Hartmann Hoang Ibarra Ivanova Jansen Kaplan Keller Kowalski Lindqvist Lombardi Malik Marchetti Mbeki Meyer Moreau Müller Nakamura
Novak Obi Okafor Olsen Park Petrov Quinn Ramos Rossi Sato Schulz Silva Sokolov Tanaka Thorne Vargas Verma Walsh Weber Yilmaz Zhang""".split()
COMPANY_A = """Amber Bluebird Cedar Clearwater Copper Delta Evergreen Falcon Granite Harbour Iron Juniper Lakeside Lantern Maple
Meridian North Oakfield Orchard Pioneer Quarry Redwood Silver Summit Tidal Valley Willow Wren""".split()
COMPANY_B = """Bakery Books Clinic Cycles Dental Design Electric Foods Freight Gardens Glass Hotels Interiors Joinery Labs
Legal Media Motors Optics Print Roofing Studio Supplies Tools Travel Works""".split()
DOMAINS = "mailbox.example post.example inbox.example letters.example office.example".split()
ITEMS_A = "black blue brown compact cream dark green grey large light orange plain red small white yellow".split()
ITEMS_B = """bench|bookcase|clock|coffee grinder|cutting board|desk lamp|doormat|drill|garden hose|kettle|ladder|mirror|mixing bowl|
notebook|office chair|picture frame|rain jacket|rucksack|side table|suitcase|teapot|toaster|tool box|travel mug|umbrella|vase|
wardrobe""".replace("\n", "").split("|")
TITLE_A = "Annual Autumn Beginner Community Evening Family Harvest Neighbourhood Open Quarterly Spring Summer Town Winter Youth".split()
TITLE_B = "Baking Course|Book Club|Budget Review|Chess Tournament|Choir Concert|Film Night|Flea Market|Garden Walk|Job Fair|Photo Workshop|Poetry Reading|Quiz Night|Running Day|Safety Training|Science Fair|Tea Party".split("|")
PLACES = """Bridge Hall|Cannon Street Library|the Old Mill|Room 12|Room 204|Riverside Park|the Town Museum|St Mark's School|Pavilion B|
the Green Theatre|Market Square|Station House|Studio 5|the Rowing Club|Hillcrest Centre|the Corner Cafe|Lakeview Hotel|Dock 9|
the Glass House|Elm Street Gym""".replace("\n", "").split("|")
CITIES = """Aarhus Bergen Bologna Bristol Cork Dresden Galway Ghent Graz Izmir Kyoto Leeds Leiden Lisbon Lyon Malmo Nantes Oulu
Porto Quito Riga Seville Tampere Tartu Toronto Turin Utrecht Verona Wellington York""".split()

SCHEMAS = {
    "contact": {"name": "string", "company": "string", "phone": "string", "email": "string", "city": "string"},
    "order": {"order": "string", "customer": "string", "item": "string", "quantity": "integer", "total": "number"},
    "event": {"title": "string", "date": '"YYYY-MM-DD"', "time": '"HH:MM"', "place": "string", "host": "string"},
}

# How a field is said in whole sentences (e-mail, chat), and in a word or two (note, list).
SENTENCES = {
    "name": ["Please add {} to the address book.", "I had a good talk with {}.", "The person to ask for is {}.", "My new contact is {}.", "You should get in touch with {}."],
    "company": ["The company is {}.", "It is about the people at {}.", "The employer is {}.", "This is for {}."],
    "phone": ["The phone number is {}.", "Calls go to {}.", "You can ring {}.", "Best by phone: {}."],
    "email": ["The address for mail is {}.", "Write to {}.", "E-mail reaches {} fastest.", "Mail goes to {}."],
    "city": ["The office is in {}.", "The city is {}.", "Based in {} at the moment.", "They moved to {} last year."],
    "order": ["The order number is {}.", "This is about order {}.", "Please look at {}, which came in today.", "We filed it as {}."],
    "customer": ["The customer is {}.", "It was placed by {}.", "It goes to {}.", "The buyer, {}, is waiting for it."],
    "item": ["The item is the {}.", "What was bought is the {}.", "Please pack the {}.", "The article wanted is the {}."],
    "quantity": ["The quantity is {}.", "We need {} of it.", "Number of pieces: {}.", "Please send {} pieces."],
    "total": ["The total is {} euros.", "It comes to {} euros.", "Altogether that makes {} euros.", "They paid {} euros."],
    "title": ["You are invited to the {}.", "Soon there is the {} again.", "Please announce the {}.", "We are planning the {}."],
    "date": ["It takes place on {}.", "The date is {}.", "Mark {} in your calendar.", "The day will be {}."],
    "time": ["Doors open at {}.", "It begins at {}.", "The start is at {}.", "Be there by {}."],
    "place": ["The place is {}.", "We meet at {}.", "It will be held at {}.", "Come to {}."],
    "host": ["The host is {}.", "{} is organising it.", "Questions go to the host, {}.", "It is run by {}."],
}
LABELS = {
    "name": ["name", "contact", "who"], "company": ["company", "firm", "employer"], "phone": ["phone", "tel", "mobile"],
    "email": ["email", "mail", "e-mail"], "city": ["city", "town", "office in"],
    "order": ["order", "order no", "ref"], "customer": ["customer", "buyer", "for"], "item": ["item", "article", "product"],
    "quantity": ["quantity", "pieces", "qty"], "total": ["total", "sum in euros", "amount due"],
    "title": ["event", "title", "what"], "date": ["date", "day", "when"], "time": ["time", "start", "begins"],
    "place": ["place", "where", "venue"], "host": ["host", "organiser", "run by"],
}
# Sentences that state nothing any schema asks for.
FILLER = """Thanks a lot for your help.|I hope you are well.|Sorry for the late reply.|Let me know if anything is unclear.|
The rest can wait until next week.|I will be on the train most of the day.|Please keep this in the shared folder.|
It has been busy here.|Nothing else to report.|The printer on our floor is broken again.|Could you confirm that you got this?|
We talked about it before the holidays.|No hurry with this one.|The weather has been lovely.|I am copying the whole team.|
The form on the website did not work for me.|Have a nice weekend.|Please forward it to whoever looks after this.|
My colleague asked about it twice.|I had the same question last month.|We can sort out the rest in person.|
It looks good from our side.""".replace("\n", "").split("|")
# Sentences that come near a schema and still state none of its values.
NOTHING = {
    "contact": ["I lost the card with the number on it.", "Someone called but left no name.", "Their details should be in the old address book.",
                "I will send you the address as soon as I find it.", "She did not say which company she works for."],
    "order": ["A customer complained, but I forgot to write down who.", "The order has not reached us yet.", "Prices will be announced later.",
              "We do not know yet how many they need.", "The parcel arrived without any papers."],
    "event": ["We have not settled on a date yet.", "The room still has to be found.", "Nobody has offered to host so far.",
              "There may be a party at some point.", "The programme will be decided later."],
}


def system_prompt(schema):
    fields = ", ".join(f'"{name}": {kind}' for name, kind in SCHEMAS[schema].items())
    return f"Read the message and fill in this {schema}: {{{fields}}}. Reply with JSON only. Use null for what is not stated."


def person(rng):
    return f"{rng.choice(FIRST)} {rng.choice(LAST)}"


def values_of(rng, schema):
    """A value for every field of the schema."""
    if schema == "contact":
        name = person(rng)
        mail = re.sub(r"[^a-z.]", "", name.lower().replace(" ", ".").translate(str.maketrans("éëöü", "eeou")))
        return {"name": name, "company": f"{rng.choice(COMPANY_A)} {rng.choice(COMPANY_B)}",
                # 555 01xx is set aside for made-up numbers: nobody's own.
                "phone": f"{rng.randint(20, 99)}0 555 01{rng.randint(10, 99)}",
                "email": f"{mail}@{rng.choice(DOMAINS)}", "city": rng.choice(CITIES)}
    if schema == "order":
        quantity = rng.randint(2, 40)
        total = rng.choice([rng.randint(15, 990), float(f"{rng.randint(9, 480)}.{rng.choice([25, 45, 49, 75, 95, 99])}")])
        return {"order": f"{rng.choice('ABCDEFGHKLMNPRSTW')}-{rng.randint(1000, 9999)}", "customer": person(rng),
                "item": f"{rng.choice(ITEMS_A)} {rng.choice(ITEMS_B)}", "quantity": quantity, "total": total}
    return {"title": f"{rng.choice(TITLE_A)} {rng.choice(TITLE_B)}",
            "date": f"{rng.randint(2025, 2027)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
            "time": f"{rng.randint(8, 20):02}:{rng.choice(['00', '15', '30', '45'])}", "place": rng.choice(PLACES), "host": person(rng)}


def email(rng, sentences):
    opening = rng.choice(["Hello,", "Dear all,", "Good morning,", "Hi there,", "Dear team,"])
    closing = rng.choice(["Best wishes", "Kind regards", "Many thanks", "All the best"])
    return f"{opening}\n\n{' '.join(sentences)}\n\n{closing}"


def chat(rng, sentences):
    opening = rng.choice(["hey! ", "hi, quick one: ", "", "ok, so: ", "one more thing. ", "hello again, "])
    return opening + " ".join(sentences) + rng.choice(["", " thx!", " :)", " cheers", " ok?"])


def note(rng, parts):
    return rng.choice(["Note: ", "To do: ", "", "For the file: ", "Memo - "]) + "; ".join(parts) + "."


def bullets(rng, parts):
    mark = rng.choice(["- ", "* ", ""])
    heading = rng.choice(["Details:\n", "", "Here is the list:\n", "As promised:\n"])
    return heading + "\n".join(mark + part for part in parts)


def message(rng, schema, stated):
    """The text that states the given values, in one of the four styles."""
    fields = list(stated.items())
    style = rng.choice([email, chat, note, bullets])
    if style in (email, chat):
        if rng.random() < 0.5: rng.shuffle(fields)
        parts = [rng.choice(SENTENCES[field]).format(value) for field, value in fields]
        parts = [part[0].upper() + part[1:] for part in parts]
        extra = FILLER
    else:
        if rng.random() < 0.3: rng.shuffle(fields)
        colon = rng.choice([": ", ": ", " = "]) if style is note else ": "
        parts = [rng.choice(LABELS[field]) + colon + str(value) for field, value in fields]
        extra = [filler.rstrip(".?") for filler in FILLER]
    if not stated: parts = rng.sample(NOTHING[schema], rng.randint(1, 2))
    if len(parts) < 5 and rng.random() < (0.8 if not stated else 0.4): parts.insert(rng.randint(0, len(parts)), rng.choice(extra))
    if not stated and style in (note, bullets): parts = [part.rstrip(".?") for part in parts]
    return style(rng, parts)


def row(rng, schema, nothing):
    full = values_of(rng, schema)
    kept = [] if nothing else rng.sample(list(full), rng.choice([2, 3, 3, 4, 4, 4, 5, 5]))
    stated = {field: value for field, value in full.items() if field in kept}
    answer = {field: stated.get(field) for field in SCHEMAS[schema]}
    return {"messages": [
        {"role": "system", "content": system_prompt(schema)},
        {"role": "user", "content": message(rng, schema, stated)},
        {"role": "assistant", "content": json.dumps(answer, ensure_ascii=False, separators=(",", ":"))}]}


def distinct_rows(rng, count, seen):
    """`count` rows, schemas in turn, whose messages differ even when case, white space and digits are folded."""
    rows = []
    while len(rows) < count:
        schema = list(SCHEMAS)[len(rows) % len(SCHEMAS)]
        candidate = row(rng, schema, nothing=len(rows) % 13 == 7)
        key = re.sub(r"\d+", "0", " ".join(candidate["messages"][1]["content"].lower().split()))
        if key in seen: continue
        seen.add(key)
        rows.append(candidate)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--golden", type=int, default=10)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent)
    args = parser.parse_args()
    rng, seen = random.Random(args.seed), set()
    rows = distinct_rows(rng, args.rows, seen)
    golden = [dict(r, golden=True) for r in distinct_rows(rng, args.golden, seen)]
    rng.shuffle(rows)
    args.out.mkdir(parents=True, exist_ok=True)
    for name, content in (("data.jsonl", rows), ("golden.jsonl", golden)):
        text = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in content)
        (args.out / name).write_bytes(text.encode("utf-8"))


if __name__ == "__main__":
    main()
