"""Defects planted in clean data: which lines carry which, so that recall can be counted.

A planted defect is a line (or two) put into a clean set, with the code that `lora check` must give and the lines where
it may stand (for a pair of rows: either). What else is said of a broken line does not matter; what is said of clean
lines does.
"""

import copy
import json
import random
from dataclasses import dataclass, field


@dataclass
class Plant:
    code: str
    name: str
    lines: list  # bytes, put into the file
    at: list = field(default_factory=list)  # which of `lines` may carry the finding (index); empty: any
    partner: int | None = None  # index of the clean row that it pairs with
    column_of: bytes | None = None  # the finding stands at this text's first byte in its line
    where: set = field(default_factory=set)  # filled when it is laid: numbers of the lines that may carry it


def dump(row):
    return json.dumps(row, ensure_ascii=False).encode()


def message(row, role, last=False):
    found = [m for m in row["messages"] if m["role"] == role]
    return found[-1 if last else 0]


def change(row, role, edit):
    row = copy.deepcopy(row)
    m = message(row, role)
    m["content"] = edit(m["content"])
    return row


def structural(fresh):
    """Plants that any domain can carry. `fresh()` gives a clean row that is nowhere else in the file."""
    plants = []

    def raw(code, name, line, **more):
        plants.append(Plant(code, name, [line if isinstance(line, bytes) else line.encode()], **more))

    def edited(code, name, edit, **more):
        row = fresh()
        out = edit(row)
        raw(code, name, dump(row if out is None else out), **more)

    def put(m, key, value):
        m[key] = value

    # --- not JSON
    raw("invalid-json", "unescaped quotes", '{"messages": [{"role": "user", "content": "Extract: Stripe, founded 2010."}, '
        '{"role": "assistant", "content": "{"company": "Stripe", "founding_year": 2010}"}]}', column_of=b'"company"')
    raw("invalid-json", "trailing comma", dump(fresh())[:-2] + b",]}")
    raw("invalid-json", "single quotes", "{'messages': [{'role': 'user', 'content': 'Where is the key?'}, "
        "{'role': 'assistant', 'content': 'Under the mat.'}]}")
    raw("invalid-json", "truncated line", dump(fresh())[:-25])
    raw("invalid-json", "missing comma", dump(fresh()).replace(b'}, {"role"', b'} {"role"', 1))
    raw("invalid-json", "Python literal", dump(fresh())[:-1] + b', "golden": True}', column_of=b"True")
    raw("invalid-json", "two rows on one line", dump(fresh()) + b" " + dump(fresh()))
    raw("invalid-json", "raw line break", dump(fresh()).replace(b'"assistant", "content": "', b'"assistant", "content": "\t', 1))
    raw("invalid-json", "bad escape", dump(fresh()).replace(b'"assistant", "content": "', b'"assistant", "content": "C:\\q ', 1))
    raw("invalid-json", "comment line", b"// rows below were checked by Rosa")
    # --- not a row
    raw("not-an-object", "array", '["user", "assistant"]')
    raw("not-an-object", "string", '"Where is the key?"')
    raw("not-an-object", "null", "null")
    raw("duplicate-key", "content twice", dump(fresh()).replace(b'"role": "user", ', b'"role": "user", "content": "old", ', 1))
    raw("duplicate-key", "messages twice", b'{"messages": [], ' + dump(fresh())[1:])
    edited("unknown-key", "in the row", lambda r: put(r, "sourc_url", "page 7"), column_of=b'"sourc_url"')
    edited("unknown-key", "in a message", lambda r: put(r["messages"][-1], "wieght", 1), column_of=b'"wieght"')
    raw("invalid-utf8", "Latin-1", dump(fresh()).replace(b'"assistant", "content": "', b'"assistant", "content": "Caf\xe9: ', 1),
        column_of=b"\xe9")
    raw("invalid-utf8", "cut character", dump(fresh()).replace(b'"assistant", "content": "', b'"assistant", "content": "\xe2\x82 ', 1))
    raw("blank-line", "empty", b"")
    raw("blank-line", "spaces", b"   \t")
    # --- no messages
    edited("missing-messages", "key misspelt", lambda r: {"mesages": r["messages"]})
    edited("missing-messages", "empty list", lambda r: {"messages": []})
    edited("missing-messages", "empty object", lambda r: {})
    edited("missing-messages", "null", lambda r: {"messages": None})
    # --- roles
    edited("unknown-role", "misspelt", lambda r: put(r["messages"][-1], "role", "asistant"), column_of=b'"asistant"')
    edited("unknown-role", "another word", lambda r: put(message(r, "user"), "role", "customer"))
    edited("unknown-role", "capital", lambda r: put(r["messages"][-1], "role", "Assistant"))
    edited("non-string-content", "object", lambda r: put(r["messages"][-1], "content", {"answer": 7}), column_of=b'{"answer"')
    edited("non-string-content", "null", lambda r: put(r["messages"][-1], "content", None))
    edited("non-string-content", "number", lambda r: put(message(r, "user"), "content", 12))
    edited("empty-content", "answer", lambda r: put(r["messages"][-1], "content", ""))
    edited("empty-content", "question of blanks", lambda r: put(message(r, "user"), "content", "  \n "))
    edited("no-assistant", "question alone", lambda r: {"messages": [m for m in r["messages"] if m["role"] != "assistant"][:2]})
    edited("last-not-assistant", "open question", lambda r: r["messages"].append({"role": "user", "content": "And at night?"}))
    edited("system-not-first", "after the question",
           lambda r: {"messages": [message(r, "user"), {"role": "system", "content": "Be brief."}, message(r, "assistant")]})
    edited("system-not-first", "at the end",
           lambda r: {"messages": [message(r, "user"), message(r, "assistant"), {"role": "system", "content": "Be brief."}]})
    edited("roles-not-alternating", "two questions", lambda r: r["messages"].insert(
        r["messages"].index(message(r, "user")), {"role": "user", "content": "One more thing first."}))
    edited("roles-not-alternating", "two answers", lambda r: r["messages"].append({"role": "assistant", "content": "Noted."}))
    for token in ["<|im_end|>", "<|eot_id|>", "[/INST]", "<end_of_turn>", "<|endoftext|>"]:
        plants.append(Plant("control-token-in-text", token, [dump(change(fresh(), "user", lambda s: s + " " + token))]))
    edited("too-long", "a whole book", lambda r: put(message(r, "user"), "content", message(r, "user")["content"] + " " + " ".join(
        f"Paragraph {i} of the appendix speaks of number {i * i} and nothing else." for i in range(900))))
    # --- text
    for name, bad in [("accent", "We met at the cafÃ© in ZÃ¼rich. "), ("apostrophe", "It isnâ€™t far. "), ("replacement", "Gr\ufffd\ufffde aus K\ufffdln. ")]:
        plants.append(Plant("mojibake", name, [dump(change(fresh(), "user", lambda s: bad + s))]))
    secrets = [("cloud key", "AKIA" + "Q7ZT4MWX2LPD9RKB"), ("hosting token", "ghp_" + "x8Kq2LmZ0vTnB4yWcR7dJh5sPfG1uA9eQiE3"),
               ("key block", "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEpAIBAAKCAQEAx7v9"), ("url", "postgres://admin:" + "hV7%kq2!pZ@db.tidewater.net:5432/prod"),
               ("model key", "sk-" + "proj-9fKQ2mXv7Lw0ZrTt4YbN8cJdHs6PgUa1")]
    for name, secret in secrets:
        plants.append(Plant("possible-secret", name, [dump(change(fresh(), "user", lambda s: f"{s} Use {secret} for it."))]))
    personal = [("mail", "Write to margit.halvorsen@posteo.no."), ("card", "My card is 4539 1488 0343 6467."),
                ("account", "Pay to DE89 3704 0044 0532 0130 00."), ("phone", "Ring me on +44 20 7946 0018 tonight.")]
    for name, text in personal:
        plants.append(Plant("possible-personal-data", name, [dump(change(fresh(), "user", lambda s: f"{s} {text}"))]))
    return plants


def between_rows(rows, fresh, rng):
    """Plants about rows that stand beside others."""
    plants = []
    picks = iter(rng.sample(range(len(rows)), 12))

    def pair(code, name, edit):
        i = next(picks)
        plants.append(Plant(code, name, [dump(edit(copy.deepcopy(rows[i])))], partner=i))

    pair("duplicate", "same bytes", lambda r: r)
    pair("duplicate", "other spelling of the JSON", lambda r: {"messages": [dict(reversed(list(m.items()))) for m in r["messages"]]})
    pair("near-duplicate", "letters", lambda r: change(r, "user", lambda s: s.upper()))
    pair("near-duplicate", "white space and stop", lambda r: change(r, "user", lambda s: s.replace(" ", "  ", 2) + " ."))
    return plants


def own(domain, rows, fresh, rng):
    """Plants that only make sense in one domain."""
    plants = []

    def add(code, name, row, **more):
        plants.append(Plant(code, name, [dump(row)], **more))

    def answer(row, text):
        row = copy.deepcopy(row)
        message(row, "assistant", last=True)["content"] = text
        return row

    def conflicting(name, pick, text):
        i = next(i for i, r in enumerate(rows) if pick(r))
        add("conflicting-answers", name, answer(rows[i], text), partner=i)

    if domain == "extraction":
        facts = json.loads(message(rows[0], "assistant")["content"])
        conflicting("other year", lambda r: "founding_year\": 1" in message(r, "assistant")["content"], json.dumps({**facts, "founding_year": 1803}))
        add("inconsistent-format", "markdown", answer(fresh(), "**Company:** Novaforge\n- sector: optics\n- city: Oslo"))
        add("inconsistent-format", "key missing", answer(fresh(), json.dumps({k: v for k, v in facts.items() if k != "sector"})))
        add("inconsistent-format", "key renamed", answer(fresh(), json.dumps({("name" if k == "company" else k): v for k, v in facts.items()})))
        add("inconsistent-format", "year as text", answer(fresh(), json.dumps({**facts, "founding_year": "nineteen ninety"})))
        add("inconsistent-format", "prose around it", answer(fresh(), "Sure! Here is the JSON you asked for:\n" + json.dumps(facts)))
        add("language-mix", "French", change(fresh(), "user", lambda s: "Cette entreprise familiale fabrique des outils de jardin "
            "depuis trois générations et vend ses produits dans toute la région, surtout au printemps et en automne."))
    elif domain == "support":
        conflicting("other promise", lambda r: "buy back" in message(r, "user")["content"], "No, we never take used parts back, whatever their state.")
        add("inconsistent-format", "JSON", answer(fresh(), json.dumps({"reply": "We post a new one.", "status": "open"})))
        add("language-mix", "German", answer(fresh(), "Es tut uns leid, dass Ihr Paket noch nicht angekommen ist. Bitte schicken Sie uns "
            "ein Foto, dann senden wir Ihnen innerhalb von zwei Tagen einen Ersatz."))
        add("language-mix", "Spanish", answer(fresh(), "Lamentamos mucho lo ocurrido. Por favor, envíenos una fotografía de la pieza y le "
            "mandaremos otra nueva dentro de dos días sin ningún coste."))
    elif domain == "labels":
        conflicting("other label", lambda r: message(r, "assistant")["content"] == "billing", "praise")
        add("inconsistent-format", "sentence", answer(fresh(), "I would say that this ticket is about billing, because it mentions a charge."))
        add("inconsistent-format", "misspelt label", answer(fresh(), "biling"))
        add("inconsistent-format", "capital and stop", answer(fresh(), "Bug."))
        add("inconsistent-format", "JSON", answer(fresh(), '{"label": "bug"}'))
    elif domain == "sql":
        conflicting("other query", lambda r: "largest" in message(r, "user")["content"], "```sql\nSELECT id FROM orders;\n```")
        add("inconsistent-format", "no fence", answer(fresh(), "SELECT COUNT(*) FROM orders;"))
        add("inconsistent-format", "prose", answer(fresh(), "You could count the rows of the orders table for that city."))
    elif domain == "german":
        conflicting("other answer", lambda r: "einfrieren" in message(r, "user")["content"], "Nein, auf gar keinen Fall. Eingefroren wird alles matschig und bitter.")
        add("language-mix", "English", answer(fresh(), "You should cook them for about twenty minutes over a medium heat and then taste "
            "whether they are done, because every kind is a little different."))
        add("inconsistent-format", "JSON", answer(fresh(), '{"minuten": 20, "hitze": "mittel"}'))

    system = rows[0]["messages"][0]
    if system["role"] == "system":
        add("inconsistent-system-prompt", "typing error", change(fresh(), "system", lambda s: s.replace("the", "teh", 1)))
        add("inconsistent-system-prompt", "space at the end", change(fresh(), "system", lambda s: s + "  "))
        row = fresh()
        row["messages"].pop(0)
        add("inconsistent-system-prompt", "left out", row)
    row = change(fresh(), "user", lambda s: "Meet me at the cafÃ©. " + s)
    row["golden"] = True
    add("golden-problem", "mojibake", row)
    i = rng.randrange(len(rows))
    add("golden-problem", "also an ordinary row", {**copy.deepcopy(rows[i]), "golden": True}, partner=i)
    row = fresh()
    message(row, "assistant", last=True)["content"] = ""
    row["golden"] = True
    add("golden-problem", "no answer", row)
    return plants


def planted_set(domain, make, seed, n=120):
    """The lines of a file, its plants with their line numbers, and the clean lines' numbers."""
    rng = random.Random(seed)
    pool = make(n + 90, seed)
    rows, spare = pool[:n], iter(pool[n:])

    def fresh():
        return copy.deepcopy(next(spare))

    plants = structural(fresh) + between_rows(rows, fresh, rng) + own(domain, rows, fresh, rng)
    rng.shuffle(plants)
    slots = [("row", i) for i in range(len(rows))]
    for p in plants:  # not at the very end: a blank line there is no defect
        slots.insert(rng.randrange(len(slots) - 1), ("plant", p))
    lines, row_line = [], {}
    for kind, what in slots:
        if kind == "row":
            lines.append(dump(rows[what]))
            row_line[what] = len(lines)
        else:
            first = len(lines) + 1
            lines += what.lines
            what.where = set(range(first, len(lines) + 1))
    partners = set()
    for p in plants:
        if p.partner is not None:
            p.where.add(row_line[p.partner])
            partners.add(row_line[p.partner])
    clean = set(row_line.values()) - partners
    return lines, plants, clean
