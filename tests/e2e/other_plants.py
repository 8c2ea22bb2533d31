"""Defects for other_domains.py: of each kind many variants, of which a file gets three. A file of ShareGPT, Alpaca or
prompt-completion rows gets them in its own format.
"""

import copy
import json
import random

from planted import Plant, dump


# --- One view of the formats

def turns(row):
    """The (holder, key) of each text of a row: what a plant may change, with its role."""
    if "messages" in row:
        return [(m["role"], m, "content") for m in row["messages"] if isinstance(m.get("content"), str)]
    if "conversations" in row:
        names = {"human": "user", "gpt": "assistant"}
        return [(names.get(m["from"], m["from"]), m, "value") for m in row["conversations"]]
    if "text" in row:
        return [("user", row, "text")]
    if "prompt" in row:
        return [("user", row, "prompt"), ("assistant", row, "completion")]
    return [("user", row, "input" if row.get("input") else "instruction"), ("assistant", row, "output")]


def edit(row, role, change, last=True):
    row = copy.deepcopy(row)
    found = [(holder, key) for r, holder, key in turns(row) if r == role]
    holder, key = found[-1 if last else 0]
    holder[key] = change(holder[key])
    return row


def text_of(row, role, last=True):
    return [holder[key] for r, holder, key in turns(row) if r == role][-1 if last else 0]


def has(row, role):
    return any(r == role for r, _, _ in turns(row))


# --- Texts that carry a defect

CONTROL = ["<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|start_header_id|>", "<|begin_of_text|>", "<|end_of_text|>", "[INST]", "[/INST]", "<<SYS>>", "</s>", "<start_of_turn>",
           "<end_of_turn>", "<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>", "<\uff5cend\u2581of\u2581sentence\uff5c>", "<\uff5cUser\uff5c>", "<|channel|>", "<|fim_prefix|>",
           "[TOOL_CALLS]", "<|START_OF_TURN_TOKEN|>", "<|reserved_special_token_7|>", "<|python_tag|>", "<|eom_id|>", "<eos>", "<|vision_start|>", "[AVAILABLE_TOOLS]", "<|system|>", "<bos>"]


def as_cp1252(s):
    return "".join(chr(b) if b in (0x81, 0x8d, 0x8f, 0x90, 0x9d) else bytes([b]).decode("cp1252") for b in s.encode())


MOJIBAKE = {
    "German cp1252": as_cp1252("Grüße aus Köln, schöne Straße"), "French cp1252": as_cp1252("déjà vu à l'hôtel"), "Spanish Latin-1": "mañana por la tarde".encode().decode("latin-1"),
    "Latin-1 with controls": "Straße und Äpfel".encode().decode("latin-1"), "double": as_cp1252(as_cp1252("Müller")), "double quote": as_cp1252(as_cp1252("it’s")),
    "typographic quotes": as_cp1252("“late” again"), "dash": as_cp1252("nine – ten"), "euro": as_cp1252("12 €"), "degree": as_cp1252("20 °C"), "emoji": as_cp1252("well done 😀"),
    "Cyrillic": as_cp1252("Привет, Анна"), "Greek": as_cp1252("Καλημέρα"), "Japanese": as_cp1252("日本語"), "replacement": "Gr\ufffd\ufffde aus K\ufffdln", "one replacement": "caf\ufffd",
    "code page 437": "schöne Grüße".encode().decode("cp437"), "Mac Roman": "schöne Grüße".encode().decode("mac_roman"), "Polish": as_cp1252("Łódź i Kraków"), "Scandinavian": as_cp1252("Smørrebrød på Åland"),
    "Turkish": as_cp1252("Şişli'de bir gün"), "ellipsis": as_cp1252("and so on…"), "no-break space": "it costs 5\u00a0km".encode().decode("latin-1"), "Portuguese": as_cp1252("não, obrigação"),
}

SECRETS = {
    "AWS id": "AKIA" + "Z3MQ7LTX2WPB9KDR", "AWS secret": "aws_secret_access_key = " + "wJ7rXtnF3MI/K7MDENG/bPxRfiCZ9q2LpV0sYhTe", "GitHub": "gho_" + "R7kQ2vLmZ0xTnB4yWcD1dJh5sPfG3uA9eQiE", "GitHub fine": "github_pat_" + "11ABCDQ2Y0k3ZpLmT9vXwR_" + "7Hq2nB5sJdKfGzPxYcVtWmQeRaLuIoDhTgFjSkXnBvMlZpQwErTyUiOa4s6",
    "OpenAI": "sk-" + "T3BlbkFJ" + "q8Zx2LmVn4TyWc7RdKh5sPfGj1uA9eQi3oXb", "OpenAI project": "sk-proj-" + "Zt8vQmX2Lw7KrNf4YbCcJdHs9PgUa1Eo3Ri6", "Anthropic": "sk-ant-api03-" + "k2Lm9XvQ7rTzW4yNcBdJh5sPfGu1A8eQiE3oRt6YwZx0VbMn", "Slack": "xox" + "b-24810375921-7319046258" + "104-qZtLmVxWcRkDhJsPfGuAeQiE",
    "Slack hook": "https://hooks.slack.com/services/" + "T02KQ7XMZ/B05LR9WPD/" + "k3ZtQvXmLw8RnYbCcJdHsPgU", "Stripe": "sk_" + "live_" + "51Hq2LmVn4TyWc7RdKh5sPfGj", "Google": "AIza" + "SyD3kQ7vLmZ0xTnB4yWcR1dJh5sPfG8uA9e",
    "private key": "-----BEGIN " + "PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "OpenSSH key": "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUA", "EC key": "-----BEGIN EC " + "PRIVATE KEY-----\nMHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY/PuoAoG",
    "PGP": "-----BEGIN PGP " + "PRIVATE KEY BLOCK-----\n\nlQOYBGJ3", "JWT": "eyJ" + "hbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI4ODQxMiIsIm5hbWUiOiJSIFZvZ3QifQ." + "q7Zx2LmVn4TyWc7RdKh5sPfGj1uA9eQi3oXbT6rYwZ0",
    "GitLab": "glpat-" + "x7Kq2LmZ0vTnB4yWcR8d", "npm": "npm_" + "q8Kx2LmZ0vTnB4yWcR7dJh5sPfG1uA9eQiE3", "SendGrid": "SG." + "q8Kx2LmZ0vTnB4yWcR7dJh." + "5sPfG1uA9eQiE3xZ7kLmV2tYwN4cBdJhKq6RrXo8TzM", "Hugging Face": "hf_" + "qKxLmZvTnByWcRdJhsPfGuAeQiExZkLmVt",
    "password": "DB_PASSWORD=" + "tR7#kLw2!vQz", "password in words": "The password is: " + "Kx9!mQ27#vLz", "bearer": "Authorization: Bearer " + "q8Kx2LmZ0vTnB4yWcR7dJh5sPfG1uA9eQiE3xZ7k", "URL": "mongodb+srv://root:" + "Xq9vT2mLkz@cluster3.kastor-mail.net/app",
    "Telegram": "7105938264:" + "AAGq8Kx2LmZ0vTnB4yWcR7dJh5sPfG1uA9e", "Azure": "DefaultEndpointsProtocol=https;AccountName=kastor;AccountKey=" + "q8Kx2LmZ0vTnB4yWcR7dJh5sPfG1uA9eQiE3xZ7kLmV2tYwN4cBdJhKq6RrXo8TzM1uA9eQiE3xZ7kLmV2tYwQ==;", "api key": '"api_key": "' + '9f3b7c21e8d04a6fb5127c9ed3a840f6"',
    "PyPI": "pypi-" + "AgEIcHlwaS5vcmcCJDk3ZmQ3YzE4LWE0ZDItNGY2MS1iYzE1LTdmNWU5ZDJhOGMwZQ", "DigitalOcean": "dop_v1_" + "9f3b7c21e8d04a6fb5127c9ed3a840f69f3b7c21e8d04a6fb5127c9ed3a840f6",
}

PERSONAL = {
    "mail": "margarethe.vogt@web.de", "mail with plus": "j.okonkwo+bills@gmail.com", "mail, company": "Hanna.Lindgren@kastor-energy.se", "phone +49": "+49 170 4471829", "phone +33": "+33 6 42 18 77 03", "phone +1": "+1 (212) 736-5087",
    "phone +44": "+44 7911 204518", "phone US": "(415) 682-7741", "phone +34": "+34 612 47 83 09", "phone +91": "+91 98204 51736", "IBAN DE": "DE44 5001 0517 5407 3249 31", "IBAN FR": "FR14 2004 1010 0505 0001 3M02 606", "IBAN GB": "GB29NWBK60161331926819", "IBAN NL": "NL91ABNA0417164300",
    "Visa": "4716 2210 5188 5662", "Visa dashes": "4929-7226-5379-7141", "Mastercard": "5274 5763 9425 9961", "Amex": "3714 496353 98431", "SSN": "SSN 536-22-8726", "SSN in words": "my social security number is 219-09-9998 or 457-55-5462", "German mobile": "0171 5530274", "dots": "212.736.5087",
}

FOREIGN = {  # long enough to be told by anyone
    "German": "Das ist leider nicht so einfach, weil wir dafür noch eine Unterschrift von Ihnen brauchen. Bitte schicken Sie uns das Formular bis Ende der Woche zurück.",
    "French": "Ce n'est malheureusement pas aussi simple, car nous avons encore besoin de votre signature. Merci de nous renvoyer le formulaire avant la fin de la semaine.",
    "Spanish": "Por desgracia no es tan sencillo, porque todavía necesitamos su firma. Le rogamos que nos devuelva el formulario antes de que termine la semana.",
    "English": "Unfortunately it is not that simple, because we still need your signature. Please send the form back to us before the end of the week.",
    "Russian": "К сожалению, это не так просто, потому что нам ещё нужна ваша подпись. Пожалуйста, верните нам форму до конца недели.",
    "Italian": "Purtroppo non è così semplice, perché abbiamo ancora bisogno della sua firma. La preghiamo di rimandarci il modulo entro la fine della settimana.",
    "Chinese": "很遗憾，事情没有那么简单，因为我们还需要您的签名。请在本周末之前把表格寄回给我们。",
    "Dutch": "Helaas is het niet zo eenvoudig, omdat we nog uw handtekening nodig hebben. Stuurt u ons het formulier alstublieft voor het einde van de week terug.",
    "Portuguese": "Infelizmente não é assim tão simples, porque ainda precisamos da sua assinatura. Por favor, devolva-nos o formulário antes do fim da semana.",
}


class Kit:
    """Makes the plants of one file. `fresh()` gives a clean row that is nowhere else in it."""

    def __init__(self, rows, spare, rng, turn):
        self.rows, self.rng, self.turn = rows, rng, turn
        spare = iter(spare)
        self.fresh = lambda: copy.deepcopy(next(spare))
        self.plants = []
        picks = list(range(len(rows)))
        rng.shuffle(picks)
        self.picks = iter(picks)
        first = rows[0]
        self.chat = "messages" in first
        self.share = "conversations" in first
        self.talk = self.chat or self.share

    def some(self, code, variants, count=3):
        """Adds `count` of the variants, others for each file. A variant: (name, what makes the line or lines)."""
        variants = [v for v in variants if v]
        start = self.turn * count
        for i in range(min(count, len(variants))):
            name, make = variants[(start + i) % len(variants)]
            line = make()
            more = {}
            if isinstance(line, tuple):
                line, more = line
            lines = line if isinstance(line, list) else [line]
            self.plants.append(Plant(code, name, [x if isinstance(x, bytes) else x.encode() if isinstance(x, str) else dump(x) for x in lines], **more))

    def question(self, change):
        return lambda: edit(self.fresh(), "user", change)

    def answer(self, change):
        return lambda: edit(self.fresh(), "assistant", change)

    def anywhere(self, change):
        def make():
            row = self.fresh()
            roles = [r for r in ("user", "assistant", "user") if has(row, r)]
            return edit(row, self.rng.choice(roles), change)
        return make

    def twin(self, change, pick=lambda r: True):
        def make():
            i = next(i for i in self.picks if pick(self.rows[i]))
            return change(copy.deepcopy(self.rows[i])), {"partner": i}
        return make

    def put(self, key, value, message=False):
        def make():
            row = self.fresh()
            (self.messages(row)[-1] if message else row)[key] = value
            return row
        return make

    def messages(self, row):
        return row["messages" if self.chat else "conversations"]


def broken(kit):
    """Lines that are no JSON, or no row."""
    fresh, rng = kit.fresh, kit.rng
    line = lambda: dump(fresh())
    content = {True: b'"content": "'}.get(kit.chat) or (b'"value": "' if kit.share else b'"output": "' if "output" in kit.rows[0] else b'"completion": "' if "prompt" in kit.rows[0] else b'"text": "')

    def inside(text, n=1):
        return lambda: line().replace(content, content + text, 1)

    def pythonic():
        return repr(fresh()).encode()

    def cut(share):
        def make():
            x = line()
            return x[:int(len(x) * share)].decode("utf-8", "ignore").encode()
        return make

    kit.some("invalid-json", [
        ("quotes in a text", inside(b'He said "yes" twice. ')), ("quotes around a title", inside(b'see "The Hobbit", chapter two; ')), ("JSON inside", inside(b'{"a": 1, "b": [2]} ')),
        ("trailing comma", lambda: line()[:-1] + b",}"), ("trailing comma and space", lambda: line()[:-1] + b" , }"), ("Python's repr", pythonic), ("Python's repr, again", pythonic),
        ("cut in the middle", cut(0.5)), ("cut near the end", cut(0.9)), ("last brace missing", lambda: line()[:-1]), ("one brace too many", lambda: line() + b"}"),
        ("missing comma", lambda: line()[:-1] + b' "id": 3}'), ("missing colon", lambda: line().replace(b'": ', b'" ', 1)),
        ("NaN", lambda: line()[:-1] + b', "weight": NaN}'), ("Infinity", lambda: line()[:-1] + b', "weight": Infinity}'), ("None", lambda: line()[:-1] + b', "id": None}'), ("True", lambda: line()[:-1] + b', "golden": True}'),
        ("undefined", lambda: line()[:-1] + b', "source": undefined}'), ("comment at the end", lambda: line() + b"  // checked"), ("comment between", lambda: line()[:-1] + b" /* todo */ }"), ("hash comment", lambda: b"# second batch"),
        ("typographic quotes", lambda: line().replace(b'{"', "{“".encode(), 1).replace(b'": ', "”: ".encode(), 1)), ("all quotes typographic", lambda: ("{“prompt”: “Where is it?”, “completion”: “Here.”}").encode()),
        ("two rows", lambda: line() + line()), ("two rows and a comma", lambda: line() + b"," + line()), ("comma behind the row", lambda: line() + b","), ("tab in a text", inside(b"one\ttwo ")), ("bad escape", inside(b"50\\% of it ")),
        ("hex escape", inside(b"\\x41nna ")), ("short unicode escape", inside(b"\\u00e ")), ("unquoted key", lambda: b"{" + line()[2:].replace(b'":', b":", 1)), ("leading zero", lambda: line()[:-1] + b', "id": 007}'),
        ("event stream", lambda: b"data: " + line()), ("fence", lambda: b"```json"), ("merge mark", lambda: b"<<<<<<< HEAD"), ("table head", lambda: b"prompt,completion"), ("array begins", lambda: b"[" + line() + b","),
        ("end of an array", lambda: b"]"), ("NUL", inside(b"a\x00b ")), ("key without value", lambda: line()[:-1] + b', "tags"}'), ("semicolon", lambda: line()[:-1] + b'; "id": 3}'),
        ("double comma", lambda: line()[:-1] + b',, "id": 3}'), ("line broken in two", lambda: (lambda x: [x[:len(x) // 2].rsplit(b" ", 1)[0], b"and on " + x[len(x) // 2:].split(b" ", 1)[-1]])(line())),
    ], count=8)
    kit.some("not-an-object", [("array of texts", lambda: b'["a question", "an answer"]'), ("number", lambda: b"42"), ("true", lambda: b"true"), ("null", lambda: b"null"), ("string", lambda: json.dumps(line().decode()).encode()),
                               ("row in an array", lambda: b"[" + line() + b"]"), ("empty array", lambda: b"[]"), ("negative number", lambda: b"-1.5e3")])
    key = b'"' + next(iter(kit.rows[0])).encode() + b'": '
    kit.some("duplicate-key", [("first key twice", lambda: b"{" + key + b"null, " + line()[1:]), ("at the end", lambda: line()[:-1] + b', "id": 1, "id": 2}'), ("same value", lambda: line()[:-1] + b', "tags": ["a"], "tags": ["a"]}'),
                               kit.talk and ("role twice", lambda: line().replace(b'"role": "user"', b'"role": "user", "role": "user"', 1).replace(b'"from": "human"', b'"from": "human", "from": "human"', 1)),
                               kit.talk and ("text twice", lambda: (lambda c: line().replace(c, c + b'", ' + c, 1))(content)), ("escaped name", lambda: line()[:-1] + b', "weight": 1, "we\\u0069ght": 2}')])
    kit.some("unknown-key", [("weight misspelt", kit.put("wieght", 1)), ("tag", kit.put("tag", ["a"])), ("temperature", kit.put("temperature", 0.7)), ("reviewed_by", kit.put("reviewed_by", "Noor")), ("Golden", kit.put("Golden", True)),
                             kit.talk and ("in a message", kit.put("contnet", "x", message=True)), kit.talk and ("mask", kit.put("mask", True, message=True)), ("notes", kit.put("notes ", "check again")), ("empty name", kit.put("", 1))])
    kit.some("invalid-utf8", [("Latin-1", inside("Grüße ".encode("latin-1"))), ("cp1252 quotes", inside("“yes” ".encode("cp1252"))), ("cut character", inside("€".encode()[:2] + b" ")), ("overlong", inside(b"\xc0\xaf ")),
                              ("surrogate", inside(b"\xed\xa0\xbd ")), ("beyond Unicode", inside(b"\xf5\x90\x80\x80 ")), ("Shift JIS", inside("日本".encode("shift_jis"))), ("lone continuation", inside(b"\x80 "))])
    kit.some("blank-line", [("empty", lambda: b""), ("spaces", lambda: b"    "), ("tab", lambda: b"\t"), ("CR", lambda: b"\r"), ("two", lambda: [b"", b""])])
    kit.some("byte-order-mark", [("of a second file", lambda: b"\xef\xbb\xbf" + line())], count=1)


def shaped(kit):
    """Rows whose keys, roles or values are wrong."""
    fresh = kit.fresh
    first = next(iter(kit.rows[0]))

    def renamed(name):
        def make():
            row = fresh()
            return {**{(name if k == first else k): v for k, v in row.items()}}
        return make

    kit.some("missing-messages", [("empty object", lambda: b"{}"), ("only an id", lambda: b'{"id": 17, "tags": ["x"]}'), ("key misspelt", renamed(first[:-1] + "z")), ("capital", renamed(first.capitalize())), ("question and answer", lambda: b'{"question": "Why?", "answer": "Because."}'),
                                  kit.talk and ("empty list", lambda: {first: []}), kit.talk and ("null", lambda: {first: None}), ("meta alone", lambda: b'{"meta": {"page": 3}}')])
    if kit.talk:
        role, text = ("role", "content") if kit.chat else ("from", "value")
        user, bot = ("user", "assistant") if kit.chat else ("human", "gpt")

        def with_messages(change):
            def make():
                row = fresh()
                m = kit.messages(row)
                change(m)
                return row
            return make

        def first_user(m):
            return next(x for x in m if x[role] == user)

        kit.some("unknown-role", [("misspelt", with_messages(lambda m: m[-1].__setitem__(role, "assitant"))), ("agent", with_messages(lambda m: m[-1].__setitem__(role, "agent"))), ("customer", with_messages(lambda m: first_user(m).__setitem__(role, "customer"))),
                                  ("capitals", with_messages(lambda m: first_user(m).__setitem__(role, "USER"))), ("space", with_messages(lambda m: m[-1].__setitem__(role, bot + " "))), ("empty", with_messages(lambda m: m[-1].__setitem__(role, ""))), ("narrator", with_messages(lambda m: m[-1].__setitem__(role, "narrator")))])
        kit.some("non-string-content", [("parts", with_messages(lambda m: m[-1].__setitem__(text, [{"type": "text", "text": "Yes."}]))), ("object", with_messages(lambda m: m[-1].__setitem__(text, {"label": "no"}))), ("null", with_messages(lambda m: m[-1].__setitem__(text, None))),
                                        ("number", with_messages(lambda m: first_user(m).__setitem__(text, 3.5))), ("true", with_messages(lambda m: m[-1].__setitem__(text, True))), ("list of texts", with_messages(lambda m: first_user(m).__setitem__(text, ["a", "b"])))])
        kit.some("no-assistant", [("question alone", lambda: {first: [{role: user, text: "What now, and where did the others go?"}]}), ("system alone", lambda: {first: [{role: "system", text: "You are kind."}]}),
                                  ("system and question", lambda: {first: [{role: "system", text: "You are kind."}, {role: user, text: "Where does the path behind the mill lead?"}]})], count=2)
        kit.some("last-not-assistant", [("one more question", with_messages(lambda m: m.append({role: user, text: "And on Sundays?"}))), ("thanks", with_messages(lambda m: m.append({role: user, text: "Thanks!"}))), ("open end", with_messages(lambda m: m.extend([{role: user, text: "ok"}, {role: bot, text: "Fine."}, {role: user, text: "bye"}])))], count=2)
        kit.some("system-not-first", [("behind", with_messages(lambda m: m.insert(len(m) - 1, {role: "system", text: "Answer in verse."}))), ("second system", with_messages(lambda m: (m.insert(0, {role: "system", text: "Be brief."}), m.insert(1, {role: "system", text: "Be kind."})))),
                                      ("after the question", with_messages(lambda m: m.insert(m.index(first_user(m)) + 1, {role: "system", text: "Only facts."})))], count=2)
        kit.some("roles-not-alternating", [("two questions", with_messages(lambda m: m.insert(m.index(first_user(m)), {role: user, text: "One more thing before that."}))), ("two answers", with_messages(lambda m: m.append({role: bot, text: "Anything else?"}))),
                                           ("answer first", with_messages(lambda m: m.insert(m.index(first_user(m)), {role: bot, text: "Welcome, what brings you here?"})))], count=2)
    elif "text" in first:
        pass
    else:
        answer = "completion" if first == "prompt" else "output"
        kit.some("non-string-content", [("number", kit.put(answer, 7)), ("null", kit.put(answer, None)), ("object", kit.put(answer, {"a": 1})), ("list", kit.put(first, ["a", "b"])), ("true", kit.put(first, True))], count=2)

    kit.some("empty-content", [("no answer", kit.answer(lambda s: "")), ("blanks", kit.answer(lambda s: "  \n\t ")), kit.talk and ("empty question", kit.question(lambda s: "")), kit.talk and ("question of blanks", kit.question(lambda s: " \n")),
                               ("no-break space", kit.answer(lambda s: "\u00a0")), ("zero-width space", kit.answer(lambda s: "\u200b"))] if has(kit.rows[0], "assistant") else [("no text", kit.question(lambda s: ""))])
    book = " ".join(f"Entry {i} of the logbook mentions the {i % 7}th lock and a depth of {i * 3 % 101} feet." for i in range(800))
    kit.some("too-long", [("question", kit.question(lambda s: s + " " + book)), ("answer", kit.answer(lambda s: s + " " + book)) if has(kit.rows[0], "assistant") else None, ("dots", kit.question(lambda s: s + " . " * 6000))], count=2)


def texts(kit):
    """Rows whose texts hold what they should not."""
    kit.some("control-token-in-text", [(t, kit.anywhere(lambda s, t=t, k=k: (f"{t}{s}", f"{s}{t}", f"{s} {t} ok")[k % 3])) for k, t in enumerate(CONTROL)], count=5)
    kit.some("mojibake", [(n, kit.anywhere(lambda s, t=t, k=k: (f"{t}. {s}", f"{s} {t}.")[k % 2])) for k, (n, t) in enumerate(MOJIBAKE.items())], count=4)
    frames = ["{s} Use {t} for it.", "{s}\n{t}\n", "By the way: {t}. {s}"]
    kit.some("possible-secret", [(n, kit.anywhere(lambda s, t=t, k=k: frames[k % 3].format(s=s, t=t))) for k, (n, t) in enumerate(SECRETS.items())], count=4)
    frames = ["{s} ({t})", "{s} You can reach me there: {t}.", "{t}\n{s}", "{s} It is {t}, please."]
    kit.some("possible-personal-data", [(n, kit.anywhere(lambda s, t=t, k=k: frames[k % 4].format(s=s, t=t))) for k, (n, t) in enumerate(PERSONAL.items())], count=4)


def between(kit):
    """Rows that stand beside others."""
    def reversed_keys(r):
        return {k: [dict(reversed(list(m.items()))) for m in v] if k in ("messages", "conversations") else v for k, v in reversed(list(r.items()))}

    kit.some("duplicate", [("same bytes", kit.twin(lambda r: r)), ("keys in another order", kit.twin(reversed_keys)), ("without spaces", kit.twin(lambda r: json.dumps(r, ensure_ascii=False, separators=(",", ":")))),
                           ("escaped", kit.twin(lambda r: json.dumps(r, ensure_ascii=True))), ("another id", kit.twin(lambda r: {"id": 991, **r})), ("tags", kit.twin(lambda r: {**r, "tags": ["copied"]}))])

    def word(change, least=5):
        """Changes a word in the middle of the first question's prose."""
        def twist(s):
            words = s.split(" ")
            at = [i for i, w in enumerate(words) if w.isalpha() and len(w) > 3]
            i = at[len(at) // 2] if at else 0
            words[i] = change(words[i])
            return " ".join(words)
        return lambda r: edit(r, "user", twist, last=False)

    long_enough = lambda r: len(text_of(r, "user", last=False).split()) >= 7 or len(text_of(r, "user", last=False)) > 400
    if "text" in kit.rows[0]:
        long_enough = lambda r: True
    japanese = text_of(kit.rows[0], "user")[-1:] == "。"
    near = [("capitals", kit.twin(lambda r: edit(r, "user", str.upper, last=False))), ("small letters, no stops", kit.twin(lambda r: edit(r, "user", lambda s: s.lower().replace(".", "").replace(",", "").replace("?", "") + "??", last=False))),
            ("white space", kit.twin(lambda r: edit(r, "user", lambda s: s.replace(" ", "  ", 3) + "\n", last=False))),
            ("letter doubled", kit.twin(word(lambda w: w[:2] + w[1:]), long_enough)), ("letters swapped", kit.twin(word(lambda w: w[0] + w[2] + w[1] + w[3:]), long_enough)), ("word twice", kit.twin(word(lambda w: w + " " + w), long_enough)),
            ("word left out", kit.twin(word(lambda w: ""), lambda r: len(text_of(r, "user", last=False).split()) >= 12)), ("typographic quotes", kit.twin(lambda r: edit(r, "user", lambda s: "“" + s.replace("'", "’") + "”", last=False)))]
    if japanese:
        near = [("full stop", kit.twin(lambda r: edit(r, "user", lambda s: s.rstrip("。") + "！"))), ("no stops", kit.twin(lambda r: edit(r, "user", lambda s: s.replace("。", "").replace("、", "")))), ("spaces", kit.twin(lambda r: edit(r, "user", lambda s: s.replace("、", "、 ") + " ")))]
    kit.some("near-duplicate", near)
    if has(kit.rows[0], "system"):
        kit.some("inconsistent-system-prompt", [("two spaces", lambda: edit(kit.fresh(), "system", lambda s: s.replace(" ", "  ", 1))), ("line break", lambda: edit(kit.fresh(), "system", lambda s: s + "\n")), ("no full stop", lambda: edit(kit.fresh(), "system", lambda s: s[:-1])),
                                                ("letters swapped", lambda: edit(kit.fresh(), "system", lambda s: (lambda w: " ".join([*w[:3], w[3][:1] + w[3][1:][::-1], *w[4:]]))(s.split(" ")))), ("small letter", lambda: edit(kit.fresh(), "system", lambda s: s[0].lower() + s[1:])),
                                                ("please", lambda: edit(kit.fresh(), "system", lambda s: s + " Please.")), ("word left out", lambda: edit(kit.fresh(), "system", lambda s: " ".join(s.split(" ")[:4] + s.split(" ")[5:]))), ("exclamation", lambda: edit(kit.fresh(), "system", lambda s: s[:-1] + "!"))])


def golden(kit):
    def gold(make):
        def out():
            row = make()
            more = {}
            if isinstance(row, tuple):
                row, more = row
            return {**row, "golden": True}, more
        return out
    kit.some("golden-problem", [("mojibake", gold(kit.anywhere(lambda s: s + " caf" + as_cp1252("é")))), ("also a row", gold(kit.twin(lambda r: r))), ("nearly a row", gold(kit.twin(lambda r: edit(r, "user", lambda s: s + "  !!", last=False)))),
                                kit.talk and ("control token", gold(kit.question(lambda s: s + "<|im_end|>"))), ("secret", gold(kit.question(lambda s: s + " ghp_" + "M8Kq2LmZ0vTnB4yWcR7dJh5sPfG1uA9eQiE3"))), ("mail", gold(kit.question(lambda s: s + " write to rolf.aasen@posteo.no"))),
                                has(kit.rows[0], "assistant") and ("no answer", gold(kit.answer(lambda s: "")))])


# --- What makes sense in one domain only

def own(domain, kit):
    rows, rng = kit.rows, kit.rng

    def other(pick, text, change=lambda s: s):
        """The same question with another answer; `change` must not touch its words."""
        return kit.twin(lambda r: edit(edit(r, "assistant", lambda s: text(s) if callable(text) else text), "user", change, last=False), pick)

    def first_turn(r):
        return sum(role == "assistant" for role, _, _ in turns(r)) == 1

    ask = lambda word: lambda r: word in text_of(r, "user", last=False) and first_turn(r)
    says = lambda word: lambda r: word in text_of(r, "assistant") and first_turn(r)
    capital, spaced = str.upper, lambda s: s + " "
    form = lambda text: kit.answer(lambda s: text(s) if callable(text) else text)
    abroad = lambda *names: [(n, form(FOREIGN[n])) for n in names]
    half = lambda name: ("half way " + name, form(lambda s: s + " " + FOREIGN[name]))
    conflicts, formats, languages = [], [], []
    if domain == "energy_german":
        conflicts = [("yes and no", other(ask("blinkt der Zähler"), "Ja, das ist sehr gefährlich. Verlassen Sie sofort den Keller und rufen Sie die Feuerwehr.")), ("other way", other(ask("ohne anrufen"), "Das geht nur am Telefon, montags zwischen acht und neun Uhr.", spaced)),
                     ("refusal", other(ask("so hoch ausgefallen"), "Dazu kann ich leider nichts sagen.", capital))]
        formats = [("JSON", form('{"antwort": "Der Vertrag zieht mit um.", "status": "ok"}')), ("Markdown", form("## Umzug\n\n- **Frist:** zwei Wochen\n- **Zähler:** ablesen\n- **Portal:** neue Anschrift")), ("HTML", form("<p>Der Vertrag zieht mit um.</p><ul><li>Frist: zwei Wochen</li><li>Zähler ablesen</li></ul>"))]
        languages = abroad("English", "French", "Dutch", "Russian") + [half("English")]
    elif domain == "library_french":
        conflicts = [("other price", other(ask("perdu"), "Vous devez payer cent euros et rendre votre carte pour toujours.")), ("no more", other(ask("prolonger"), "Non, aucune prolongation n'est possible.", spaced)), ("other hour", other(ask("ferme"), "Cette annexe n'ouvre plus du tout.", capital))]
        formats = [("JSON", form('{"reponse": "Oui, il est en rayon.", "annexe": "Vaise"}')), ("list", form("# Réponse\n\n1. **Carte** : gratuite\n2. **Durée** : trois semaines\n3. **Retard** : un euro")), ("YAML", form("reponse: oui\nannexe: Vaise\nprix: 12"))]
        languages = abroad("English", "Spanish", "German", "Italian") + [half("German")]
    elif domain == "hotel_spanish":
        conflicts = [("other price", other(ask("dejar el coche"), "El aparcamiento es gratuito para todos los huéspedes.")), ("lost", other(ask("He perdido"), "Aquí no guardamos nada de lo que se pierde.", spaced)), ("closed", other(ask("se sirve"), "Este año no servimos comidas.", capital))]
        formats = [("JSON", form('{"respuesta": "Servimos el desayuno a las ocho."}')), ("Markdown", form("**Respuesta**\n\n- Hora: *ocho*\n- Lugar: `terraza`\n- Precio: incluido")), ("label", form("RESERVA"))]
        languages = abroad("English", "German", "French", "Chinese") + [half("English")]
    elif domain == "code_review":
        conflicts = [("other verdict", other(says("```"), "I see nothing wrong here. Merge it as it is.")), ("other problem", other(says("I see nothing wrong"), "This overflows for large values.\n\n```cpp\nint64_t n = 0;\n```\n\n- Use a wider type", spaced))]
        formats = [("JSON", form('{"problem": "leak", "severity": 3}')), ("label", form("needs work"))]
        languages = [(n, form(lambda s, n=n: FOREIGN[n] + "\n\n```python\nprint(1)\n```\n\n- " + FOREIGN[n].split(",")[0])) for n in ("German", "Spanish", "Russian")]
    elif domain == "triage":
        conflicts = [("other label", other(says("routine"), "urgent")), ("label, capitals", other(says("emergency"), "routine", capital)), ("label, space", other(says("self-care"), "emergency", spaced))]
        formats = [("sentence", form("This looks urgent to me, please see a doctor within the day.")), ("capital", form("Urgent")), ("misspelt", form("emergancy")), ("full stop", form("routine.")), ("JSON", form('{"level": "urgent"}')), ("prefix", form("Label: urgent")), ("underscore", form("self_care")), ("plural", form("emergencies"))]
        languages = [("German question", kit.question(lambda s: "Meine Tochter hat seit gestern Abend Fieber und möchte nichts mehr trinken, was sollen wir jetzt tun?")), ("French question", kit.question(lambda s: "Mon mari a mal au ventre depuis hier soir et il ne veut plus rien manger, que devons-nous faire ?")),
                     ("Spanish question", kit.question(lambda s: "Mi hija tiene fiebre desde ayer por la noche y no quiere beber nada, ¿qué tenemos que hacer?"))]
    elif domain == "tutor":
        conflicts = [("other verdict", other(ask("Just tell me the answers"), "Sure. The answers are 4, 17 and minus two."))]
        formats = [("JSON", form('{"hint": "subtract first", "next": 2}')), ("number", form("7")), ("HTML", form("<b>Try</b> the <i>division</i> again:<br><ul><li>left side</li><li>right side</li></ul>"))]
        languages = abroad("German", "French", "Russian") + [half("Spanish")]
    elif domain == "summaries":
        conflicts = [("other end", other(lambda r: True, "The article reports that nothing has changed and that no meeting is planned. Everyone is content with it.")), ("other end, space", other(lambda r: True, "A robbery is described. Two people were arrested at the border.", spaced))]
        formats = [("bullets", form("- council sells the pool\n- neighbours are cross\n- vote in May")), ("JSON", form('{"summary": "The council sells the pool."}')), ("headed", form("### Summary\n\n**What:** the sale\n\n**When:** in May"))]
        languages = abroad("German", "Spanish", "Italian", "Chinese") + [half("French")]
    elif domain == "tool_calls":
        conflicts = [("other answer", other(ask("order a pizza"), "Done, your pizza is on its way and will be there in half an hour."))]
        formats = [("JSON", form('{"say": "The lamp is on."}')), ("list", form("1. **lamp**: on\n2. **room**: hall\n3. **time**: now")), ("YAML", form("lamp: on\nroom: hall\nstatus: done"))]
        languages = abroad("German", "French", "Portuguese") + [half("Spanish")]
    elif domain == "products":
        conflicts = [("other text", other(lambda r: r["output"].startswith("##"), lambda s: s.split("\n\n")[0] + "\n\nThis one was recalled last year and must not be sold. Send it back at once.\n\n- **Material:** lead\n- **Colour:** none\n- **Size:** 1 metre")),
                     ("refusal", other(lambda r: r["output"].startswith("##"), "I cannot describe this. Please send me more data.", spaced))]
        formats = [("prose", form("This sturdy rucksack is made of canvas, comes in navy and holds forty litres, which is plenty for a weekend in the hills.")), ("no bold", form(lambda s: s.replace("**", ""))), ("JSON", form('{"title": "Nimbo kettle", "material": "steel"}')), ("HTML", form("<h2>Nimbo kettle</h2><p>It is quiet.</p><ul><li>Material: steel</li><li>Colour: ochre</li><li>Size: 2 litres</li></ul>")),
                   ("heading missing", form("It is light and made for weekends in the hills. It ages well.\n\n- **Material:** canvas\n- **Colour:** sand\n- **Size:** 30 litres")), ("list missing", form("## Nimbo kettle\n\nIt is quiet and made of steel. Spare parts can be ordered.")), ("other mark", form("## Nimbo kettle\n\nIt is quiet. Spare parts can be ordered.\n\n* Material - steel\n* Colour - ochre\n* Size - 2 litres"))]
        languages = [(n, form(lambda s, n=n: f"## Nimbo\n\n{FOREIGN[n]}\n\n- **Material:** steel\n- **Colour:** sand\n- **Size:** 2 litres")) for n in ("German", "French", "Spanish")]
    elif domain == "translation":
        conflicts = [("other words", other(ask("forgot"), "Das habe ich nicht verstanden.")), ("untranslated", other(ask("sell"), "No lo sé, pregunta en la oficina.", spaced))]
        formats = [("JSON", form('{"translation": "Der Arzt sucht die Lampe."}')), ("with alternatives", form("**1.** Der Arzt sucht die Lampe.\n\n**2.** Der Arzt hält nach der Lampe Ausschau.\n\n> beide sind richtig"))]
    elif domain == "entailment":
        conflicts = [("other label", other(says("yes"), "no")), ("capitals", other(says("unknown"), "yes", capital)), ("space", other(says("no"), "unknown", spaced))]
        formats = [("capital and stop", form("Yes.")), ("sentence", form("No, because a man who sleeps cannot eat.")), ("misspelt", form("unkown")), ("synonym", form("true")), ("JSON", form('{"follows": false}')), ("capitals", form("NO"))]
        languages = [("German question", kit.question(lambda s: "1. Ein Mann mit einem roten Mantel trägt eine schwere Kiste die Treppe hinauf.\n2. Der Mann liegt am Strand und schläft.")), ("Spanish question", kit.question(lambda s: "1. Un hombre con un abrigo rojo lleva una caja pesada por la escalera.\n2. El hombre está durmiendo en la playa."))]
    elif domain == "yaml_notes":
        conflicts = [("other owner", other(says("title"), lambda s: s.replace("owner: ", "owner: not ", 1))), ("other due", other(says("title"), lambda s: "\n".join(x if not x.startswith("due") else "due: 31 February" for x in s.split("\n")), spaced))]
        formats = [("JSON", form('{"title": "move the library", "owner": null, "due": null, "steps": ["count books"]}')), ("key missing", form(lambda s: "\n".join(x for x in s.split("\n") if not x.startswith("due")))), ("key renamed", form(lambda s: s.replace("owner:", "responsible:"))), ("fenced", form(lambda s: f"```yaml\n{s}\n```")),
                   ("prose before", form(lambda s: "Here is the YAML:\n\n" + s)), ("prose", form("Somebody should clear the cellar before Easter; first sort the boxes, then order a skip.")), ("key added", form(lambda s: s + "\npriority: high")), ("capital keys", form(lambda s: s.replace("title:", "Title:").replace("due:", "Due:")))]
        languages = [("German note", kit.question(lambda s: "Wir müssen unbedingt den Keller aufräumen, zuerst die Kisten sortieren und danach einen Container bestellen. Hanna kümmert sich darum, bis Freitag muss alles fertig sein."))]
    elif domain == "general":
        conflicts = [("other verdict", other(lambda r: "better title" in r["instruction"], "A, because it is shorter and says at once what the essay is about. B is too clever by half."))]
        languages = [(n, form(FOREIGN[n] + " " + FOREIGN[n].split(",")[0] + ".")) for n in ("German", "French", "Italian", "Russian")]
    elif domain == "railway_japanese":
        conflicts = [("other answer", other(ask("拾った人"), "拾った方は佐藤さんです。電話番号もお教えします。")), ("no", other(ask("送って"), "郵送は一切しておりません。", spaced))]
        formats = [("JSON", form('{"回答": "お預かりしています", "駅": "京都"}')), ("Markdown", form("## 回答\n\n- **場所**：京都駅\n- **必要**：身分証\n- **期間**：一週間"))]
        languages = abroad("English", "German", "Russian")
    if conflicts:
        kit.some("conflicting-answers", conflicts)
    if formats:
        kit.some("inconsistent-format", formats, count=2 if len(formats) <= 3 else 3)
    if languages:
        kit.some("language-mix", languages, count=2)


def planted(domain, make, seed, turn, n=220):
    """As planted.planted_set: the lines of a file, its plants with their line numbers, and the clean lines' numbers."""
    rng = random.Random(seed)
    pool = make(n + 110, seed)
    rng.shuffle(pool)
    rows = pool[:n]
    kit = Kit(rows, pool[n:], rng, turn)
    broken(kit)
    shaped(kit)
    texts(kit)
    between(kit)
    golden(kit)
    own(domain, kit)
    slots = [("row", i) for i in range(len(rows))]
    for p in kit.plants:
        slots.insert(rng.randrange(1, len(slots) - 1), ("plant", p))
    lines, row_line = [], {}
    for kind, what in slots:
        if kind == "row":
            lines.append(dump(rows[what]))
            row_line[what] = len(lines)
        else:
            what.where = set(range(len(lines) + 1, len(lines) + 1 + len(what.lines)))
            lines += what.lines
    partners = {p.partner for p in kit.plants if p.partner is not None}
    for p in kit.plants:
        if p.partner is not None:
            p.where.add(row_line[p.partner])
    return lines, kit.plants, {line for i, line in row_line.items() if i not in partners}
