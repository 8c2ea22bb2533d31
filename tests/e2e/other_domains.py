"""More clean data sets, in domains, languages and formats that clean_domains.py does not have, each with the defects
that make sense in it (`own`). Written without the program's rules in view: what people really put into such files.
"""

import json
import random

TOWNS = ("Antwerp Bilbao Coventry Dresden Evora Freiburg Galway Halifax Innsbruck Jaipur Kassel Lucerne Malmo Nantes Odense "
         "Palermo Reims Salta Turku Utrecht Valletta Wroclaw Yerevan Zagreb").split()
NAMES = ("Aisha Benoit Carla Duncan Esra Fiona Gustav Hanna Idris Joao Katya Liam Meera Noor Oscar Priya Quentin Ravi Sanna "
         "Tomas Ursula Viktor Wanda Yusuf Zelda").split()


def chat(*messages, **extra):
    return {"messages": [{"role": role, "content": content} for role, content in messages], **extra}


def sharegpt(*messages):
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    return {"conversations": [{"from": names[role], "value": content} for role, content in messages]}


def distinct(n, make, key=lambda row: json.dumps(row)):
    """The first n rows of `make()` that ask different things."""
    rows, seen = [], set()
    for _ in range(200 * n):
        row = make()
        k = key(row)
        if k not in seen:
            seen.add(k)
            rows.append(row)
            if len(rows) == n:
                return rows
    raise AssertionError(f"{make} gives only {len(rows)} rows")


def bare(row, courtesies):
    """The question without greetings: a greeting makes no other question."""
    text = asked(row)
    for c in sorted(courtesies, key=len, reverse=True):
        if c.strip():
            text = text.replace(c.strip(), "")
    return text.strip().lower()


def asked(row):
    """The first thing that is asked in a row of any format."""
    if "messages" in row:
        return next(m["content"] for m in row["messages"] if m["role"] == "user")
    if "conversations" in row:
        return next(m["value"] for m in row["conversations"] if m["from"] == "human")
    return json.dumps(row.get("text") or row.get("prompt") or [row.get("instruction"), row.get("input")])


# --- German: an energy supplier's letters, formal, without a system prompt in the file

def energy_german(n, seed):
    rng = random.Random(seed)
    persons = ["Meine Mutter", "Mein Mieter", "Unser Verein", "Die Nachbarin", "Mein Sohn", "Unsere Firma", "Meine WG", "Der Hausmeister"]
    things = ["den Abschlag", "die Jahresrechnung", "den Zählerstand", "das SEPA-Mandat", "den Tarifwechsel", "die Kündigung",
              "den Umzugsservice", "die Wallbox", "den Bonus", "die Preisgarantie", "den Smart Meter", "die Einspeisevergütung"]
    cases = [
        ("{p} zieht im {m} um. Was passiert mit dem Vertrag?",
         ["Der Vertrag zieht auf Wunsch mit um. Nennen Sie uns dafür bis zwei Wochen vor dem Umzug die neue Anschrift und den Zählerstand vom Tag der Übergabe.",
          "Sie haben die Wahl: Entweder nehmen Sie den Vertrag im {m} mit, oder Sie kündigen mit einer Frist von zwei Wochen zum Auszug."]),
        ("Warum ist {tn} diesmal so hoch ausgefallen?",
         ["Meist liegt es an einem geschätzten Verbrauch. Lesen Sie bitte den Zähler ab und melden Sie uns den Wert, dann rechnen wir neu.",
          "Im Winterhalbjahr kam die Preisanpassung hinzu. Auf Seite {d} der Abrechnung sehen Sie, wie sich der Betrag zusammensetzt."]),
        ("Ich finde {ta} im Kundenportal nicht mehr, seit ich in {o} wohne.",
         ["Nach einem Umzug legt das Portal ein neues Vertragskonto an. Wählen Sie oben rechts das Konto mit der Anschrift in {o}, dort steht alles wieder.",
          "Das tut uns leid. Bitte melden Sie sich einmal ab und wieder an; danach erscheint {ta} unter „Meine Unterlagen“."]),
        ("Gibt es für {p2} einen günstigeren Tarif, wenn nur {k} Kilowattstunden im Jahr verbraucht werden?",
         ["Bei {k} Kilowattstunden lohnt sich der Tarif ohne Grundpreis. Er kostet je Kilowattstunde etwas mehr, im Jahr aber weniger.",
          "Unter zweitausend Kilowattstunden empfehlen wir „Kompakt“, darüber „Fix“. Mit {k} im Jahr rechnen Sie selbst am besten im Tarifrechner nach."]),
        ("Welche Strompreise erwarten Sie für {m} in {y} Jahren?",
         ["Das können wir leider nicht vorhersagen. Die Preise hängen von Börse, Netzentgelten und Abgaben ab, die heute niemand kennt."]),
        ("Können Sie mir sagen, wie viel {p2} in {o} verbraucht?",
         ["Aus Gründen des Datenschutzes dürfen wir Ihnen dazu keine Auskunft geben. Nur die Person, die den Vertrag hält, kann diese Werte abfragen."]),
        ("Seit {d} Tagen blinkt der Zähler im Keller rot. Ist das gefährlich?",
         ["Rotes Blinken heißt nur, dass der Zähler keine Verbindung hat. Gefährlich ist das nicht; der Messstellenbetreiber meldet sich innerhalb von {d} Tagen."]),
        ("Wie ändere ich {ta}, ohne anrufen zu müssen?",
         ["Am schnellsten geht es im Portal unter „Vertrag“. Wer lieber schreibt, schickt uns die Änderung formlos mit Kundennummer und Datum.",
          "Öffnen Sie die App, tippen Sie auf das Stiftsymbol und bestätigen Sie die Änderung mit der TAN, die wir Ihnen per SMS schicken."]),
    ]
    months = ["Januar", "März", "Mai", "Juni", "August", "Oktober", "November"]
    greet = ["", "Guten Tag, ", "Hallo zusammen! ", "Sehr geehrte Damen und Herren, ", "Kurze Frage: "]
    close = ["", "", " Danke vorab.", " Mit freundlichen Grüßen", " Vielen Dank für Ihre Mühe!", " Es eilt ein wenig."]

    def one():
        q, answers = rng.choice(cases)
        t = rng.choice(things)
        p = rng.choice(persons)
        f = dict(p=p, p2={"Mein Mieter": "meinen Mieter", "Mein Sohn": "meinen Sohn", "Der Hausmeister": "den Hausmeister", "Unser Verein": "unseren Verein"}.get(p, p[0].lower() + p[1:]),
                 ta=t, tn=t.replace("den ", "der ") if t.startswith("den ") else t, m=rng.choice(months), o=rng.choice(["Kassel", "Jena", "Ulm", "Bremen", "Trier", "Gera", "Köln", "Würzburg"]),
                 d=rng.randint(3, 14), k=rng.randint(9, 48) * 50, y=rng.randint(2, 9))
        a = rng.choice(answers)
        q = q.format(**f)
        g = rng.choice(greet)
        return chat(("user", g + (q if g == "" or g.endswith(("! ", ": ")) else q[0].lower() + q[1:] if q[0] in "WGK" else q) + rng.choice(close)), ("assistant", a.format(**f)))
    return distinct(n, one, lambda r: bare(r, greet + close))


# --- French: a public library, ShareGPT

def library_french(n, seed):
    rng = random.Random(seed)
    works = ["L'Étranger", "Germinal", "La Peste", "Les Misérables", "Candide", "Nadja", "Bel-Ami", "L'Écume des jours", "Le Grand Meaulnes",
             "Madame Bovary", "Thérèse Raquin", "La Bête humaine", "Le Rouge et le Noir", "Zazie dans le métro", "Un barrage contre le Pacifique"]
    quarters = ["Croix-Rousse", "Part-Dieu", "Guillotière", "Vaise", "Monplaisir", "Gerland", "Bellecour", "Montchat"]
    system = ("Tu réponds aux lecteurs de la bibliothèque municipale. Sois bref et poli, vouvoie le lecteur, et dis-le quand tu ne sais pas "
              "ou quand tu ne peux pas répondre.")
    cases = [
        ("Avez-vous {w} à l'annexe de {q} ?", ["Oui, {w} est en rayon à {q}. Vous pouvez aussi le réserver depuis votre compte.", "L'exemplaire de {q} est sorti jusqu'à {j}. Je peux vous le réserver à son retour.",
                                             "Malheureusement {w} n'est pas à {q}, mais l'annexe de {q2} en garde deux exemplaires."]),
        ("J'ai perdu {w}. Combien dois-je payer ?", ["Vous ne payez que le prix de remplacement, en général entre {a} et {b} euros. Passez à l'accueil avec votre carte.",
                                                    "Si vous rachetez la même édition, vous ne payez rien. Sinon nous facturons {b} euros."]),
        ("À quelle heure ferme {q} le {j} ?", ["L'annexe de {q} ferme à {h} heures le {j}.", "Le {j}, {q} est ouverte jusqu'à {h} heures ; le dernier prêt se fait dix minutes avant."]),
        ("Puis-je prolonger {w} de {d} jours ?", ["Oui, sauf si quelqu'un l'a réservé. La prolongation se fait en ligne, une seule fois.", "Une prolongation donne toujours trois semaines ; vous pourrez donc garder {w} plus de {d} jours."]),
        ("Qui a emprunté {w} avant moi à {q} ?", ["Je ne peux pas vous le dire : les emprunts des autres lecteurs restent confidentiels."]),
        ("Est-ce que {w} sera au programme du bac dans {d} mois ?", ["Je l'ignore. Le programme paraît au Bulletin officiel ; votre professeur le saura avant nous."]),
        ("Ma fille de {d} ans peut-elle lire {w} ?", ["Le texte est accessible dès le collège, mais certains passages sont durs. Lisez-en quelques pages avec elle.",
                                                      "Nous le classons chez les adultes. À {d} ans, essayez plutôt l'adaptation en bande dessinée."]),
    ]

    greet, close = ["", "Bonjour ! ", "Bonsoir. ", "Bonjour madame. ", "Petite question : "], ["", " Merci d'avance.", " Je viens à vélo."]

    def one():
        q, answers = rng.choice(cases)
        f = dict(w="« " + rng.choice(works) + " »", q=rng.choice(quarters), q2=rng.choice(quarters), j=rng.choice(["mardi", "mercredi", "jeudi", "vendredi", "samedi"]),
                 a=rng.randint(5, 12), b=rng.randint(13, 40), h=rng.randint(17, 20), d=rng.randint(3, 15))
        turns = [("system", system), ("user", rng.choice(greet) + q.format(**f) + rng.choice(close)), ("assistant", rng.choice(answers).format(**f))]
        if rng.random() < 0.25:
            turns += rng.choice([[("user", "Et les jours fériés ?"), ("assistant", "Nous sommes fermés les jours fériés, comme toutes les annexes.")],
                                 [("user", "Faut-il une carte ?"), ("assistant", "Oui, la carte est gratuite pour les habitants de la métropole.")],
                                 [("user", "D'accord, merci bien."), ("assistant", "Avec plaisir, bonne lecture !")]])
        return sharegpt(*turns)
    return distinct(n, one, lambda r: bare(r, greet + close))


# --- Spanish: a hotel's guests, prompt and completion

def hotel_spanish(n, seed):
    rng = random.Random(seed)
    cases = [
        ("¿A qué hora se sirve {c} en {l}?", ["Servimos {c} en {l} de {h} a {h2}. Los domingos empezamos una hora más tarde.", "En {l} puede tomar {c} desde las {h}; si madruga, pida una bolsa en recepción."]),
        ("La habitación {n} no tiene {x}. ¿Lo pueden arreglar?", ["Claro que sí. En menos de media hora sube alguien a la {n} con {x}.", "Disculpe la molestia. Ya hemos avisado a mantenimiento para que lleven {x} a la {n}."]),
        ("¿Se admite {m} en {l}?", ["Sí, siempre que {m} tenga menos de diez kilos y avise al reservar.", "En {l} no es posible por motivos de higiene, pero en las habitaciones de la planta baja sí."]),
        ("¿Cuánto cuesta dejar el coche {k} noches?", ["Son {p} euros por noche, así que {k} noches le salen por {t} euros.", "Si reserva por la web, las {k} noches cuestan {t} euros y puede entrar y salir cuando quiera."]),
        ("¿Qué tiempo hará en {z} dentro de {k} semanas?", ["No lo sabemos: con tanta antelación nadie puede preverlo. Mire la previsión unos días antes."]),
        ("¿En qué habitación se aloja {y}?", ["Lo siento, no puedo darle datos de otros huéspedes. Si quiere, le dejamos un recado."]),
        ("¿Me recomienda algo que ver en {z} con {m}?", ["El paseo del río es llano y tranquilo, y hay terrazas donde {m} no molesta a nadie.", "Por la mañana, el mercado viejo; por la tarde, el parque de la muralla. Los dos quedan cerca."]),
        ("He perdido {o} en {l} el día {k}.", ["Lo hemos encontrado. Está guardado en recepción a su nombre.", "De momento no ha aparecido. Apuntamos {o} en objetos perdidos y le llamamos en cuanto salga."]),
    ]

    def one():
        q, answers = rng.choice(cases)
        p, k = rng.randint(8, 19), rng.randint(2, 9)
        f = dict(c=rng.choice(["el desayuno", "la cena", "la merienda", "el almuerzo"]), l=rng.choice(["la terraza", "el comedor", "la piscina", "la cafetería", "el jardín", "la azotea"]),
                 h=rng.randint(7, 9), h2=rng.randint(10, 12), n=rng.randint(101, 449), x=rng.choice(["calefacción", "toallas", "mando", "almohadas", "perchas", "agua caliente", "secador"]),
                 m=rng.choice(["mi perro", "mi gato", "un loro", "nuestra perra", "el conejo de mi hija"]), k=k, p=p, t=p * k, z=rng.choice(["Salta", "Bilbao", "Cádiz", "Oviedo", "Lugo", "Cuenca"]),
                 y=rng.choice(["mi jefa", "el señor del sombrero", "la pareja de Lugo", "mi cuñado"]), o=rng.choice(["una bufanda azul", "mis gafas", "un paraguas", "la cámara", "un pendiente"]))
        return {"prompt": rng.choice(greet) + q.format(**f), "completion": rng.choice(answers).format(**f)}
    greet = ["", "Hola, ", "Buenas tardes. ", "Perdone, "]
    return distinct(n, one, lambda r: bare({"text": r["prompt"]}, greet))


# --- Code review: code in the question, Markdown with a fenced correction in the answer

def code_review(n, seed):
    rng = random.Random(seed)
    nouns = ["order", "sensor", "ticket", "player", "parcel", "invoice", "lesson", "track", "pixel", "route", "member", "recipe", "token", "shelf", "booking"]
    fields = ["price", "weight", "score", "age", "length", "delay", "rating", "volume", "height", "cost"]
    verbs = ["load", "merge", "rank", "clean", "sum", "pick", "scan", "draw", "send", "count"]

    def default_list(v, a, f):
        return ("python", f"def {v}_{a}s(new, {a}s=[]):\n    {a}s.append(new)\n    return sorted({a}s, key=lambda x: x.{f})",
                f"The default list is made once, when the function is defined, so every call shares it. A {a} from one call turns up in the next.",
                f"def {v}_{a}s(new, {a}s=None):\n    {a}s = [*({a}s or []), new]\n    return sorted({a}s, key=lambda x: x.{f})",
                ["Mutable default argument", f"`{f}` is compared as it is; make sure that it is never `None`"])

    def bare_except(v, a, f):
        return ("python", f"try:\n    {a} = {v}(path)\nexcept:\n    {a} = None\nprint({a}.{f})",
                f"The bare `except` hides every error, even a key press that should stop the program, and the last line then fails on `None`.",
                f"try:\n    {a} = {v}(path)\nexcept OSError as error:\n    raise SystemExit(f\"cannot read {{path}}: {{error}}\")\nprint({a}.{f})",
                ["Catches too much", f"`{a}` may be `None` where `.{f}` is read"])

    def dangling(v, a, f):
        return ("cpp", f"const std::string& {v}_{a}(int {f}) {{\n  std::string text = std::to_string({f});\n  return text;\n}}",
                f"`text` dies when the function returns, so the caller holds a reference to nothing.",
                f"std::string {v}_{a}(int {f}) {{\n  return std::to_string({f});\n}}",
                ["Dangling reference", "Undefined behaviour, even if it seems to work in a debug build"])

    def off_by_one(v, a, f):
        return ("cpp", f"for (size_t i = 0; i <= {a}s.size(); ++i) {{\n  total += {a}s[i].{f};\n}}",
                f"The loop runs one step too far: the last `i` equals the size, and `{a}s[i]` is out of bounds there.",
                f"for (const auto& {a} : {a}s) {{\n  total += {a}.{f};\n}}",
                ["Out of bounds by one", f"A range-for needs no index for `{f}`"])

    def injection(v, a, f):
        return ("python", f"def {v}_{a}(db, {f}):\n    return db.execute(f\"SELECT * FROM {a}s WHERE {f} = '{{{f}}}'\").fetchall()",
                f"Whoever chooses `{f}` can end the string and write SQL of their own.",
                f"def {v}_{a}(db, {f}):\n    return db.execute(\"SELECT * FROM {a}s WHERE {f} = ?\", ({f},)).fetchall()",
                ["SQL injection", "Let the driver quote values"])

    def leak(v, a, f):
        return ("cpp", f"{a.title()}* {a} = new {a.title()}(file);\nif ({a}->{f} < 0) return false;\n{v}(*{a});\ndelete {a};\nreturn true;",
                f"When `{f}` is negative the function returns early and the {a} is never freed.",
                f"auto {a} = std::make_unique<{a.title()}>(file);\nif ({a}->{f} < 0) return false;\n{v}(*{a});\nreturn true;",
                ["Leak on the early return", "An owner that frees by itself cannot forget"])

    def fine(v, a, f):
        return (rng.choice(["python", "cpp"]), None, None, None, None)

    system = "You review short pieces of code. Name the problem, show a corrected version in a fenced block, then list the points. If nothing is wrong, say so."
    asks = ["Please review this:", "Is anything wrong here?", "My colleague doubts this snippet.", "What would you change?", "Found in the nightly job for {a}s.",
            "This worked until we had more than {d} {a}s."]

    def one():
        v, a, f = rng.choice(verbs), rng.choice(nouns), rng.choice(fields)
        ask = rng.choice(asks).format(a=a, d=rng.randint(2, 90) * 10)
        make = rng.choice([default_list, bare_except, dangling, off_by_one, injection, leak, fine])
        lang, code, why, better, points = make(v, a, f)
        if code is None:
            code = (f"def {v}_{a}s({a}s):\n    return [x.{f} for x in {a}s if x.{f} is not None]" if lang == "python" else
                    f"int {v}_{a}s(std::span<const {a.title()}> {a}s) {{\n  int n = 0;\n  for (const auto& x : {a}s) n += x.{f} > 0;\n  return n;\n}}")
            answer = f"I see nothing wrong here. The function does one thing, and its name says which. A test with an empty list of {a}s would be a good addition."
        else:
            answer = f"{why}\n\n```{lang}\n{better}\n```\n\n" + "\n".join(f"- {p}" for p in points)
        return chat(("system", system), ("user", f"{ask}\n\n```{lang}\n{code}\n```"), ("assistant", answer))
    return distinct(n, one, asked)


# --- Triage: free text to one of five labels; ShareGPT without a system prompt

def triage(n, seed):
    rng = random.Random(seed)
    what = {
        "emergency": ["{p} has crushing chest pain and is sweating", "{p} cannot move the left arm and slurs words", "{p} swallowed {d} of my tablets just now",
                      "heavy bleeding after a fall, a towel is soaked already", "{p} is blue around the lips and gasping", "worst headache of my life, came within seconds"],
        "urgent": ["fever of 39.{d} for {d} days in my {y}-year-old", "deep cut from a kitchen knife, bleeding stopped", "{p} keeps vomiting since {t}", "burning when I pass water and back pain since {t}",
                   "ankle swollen, can't put weight on it after {s}", "red streak going up from a bite on the hand"],
        "routine": ["itchy patch on my elbow for {d} weeks", "need my blood pressure checked again, {d} months since the last time", "{p} has snored badly for years", "knee clicks during {s} but does not hurt",
                    "want to talk about stopping the pill", "hearing a bit worse on the right, slowly"],
        "self-care": ["runny nose since {t}, no fever", "blister on the heel from {s}", "sunburn on the shoulders, no blisters", "small bruise after {s}", "sore muscles {d} hours after {s}", "{p} has hiccups since {t}"],
        "not enough information": ["{p} feels strange", "it hurts", "is this normal??", "same as last time", "my friend said to write to you about {p}", "pain, please advise"],
    }
    fills = dict(p=["my husband", "my daughter", "our baby", "Grandma", "a colleague", "my neighbour", "my brother"], t=["last night", "Tuesday", "this morning", "lunch", "the weekend"],
                 s=["football", "a long hike", "moving house", "dancing", "the half marathon", "gardening"])
    before = ["", "", "Hi, ", "Question: ", "hello doctor, ", "Please help, "]
    after = ["", "", ".", " - what should I do?", ", I take {d} pills a day anyway", ", I am {y}", ", no allergies", ", we live {d} km from the hospital"]

    def one():
        label = rng.choices(list(what), [3, 5, 5, 5, 2])[0]
        f = {k: rng.choice(v) for k, v in fills.items()} | dict(d=rng.randint(2, 9), y=rng.randint(2, 80))
        q = rng.choice(before) + (rng.choice(what[label]) + rng.choice(after)).format(**f)
        return sharegpt(("user", q), ("assistant", label))
    return distinct(n, one, lambda r: bare(r, before + [a for a in after if "{" not in a]))


# --- Tutoring: several turns, mathematics in LaTeX

def tutor(n, seed):
    rng = random.Random(seed)
    system = "You are a patient maths tutor. Never give the final result before the pupil has tried. Write formulas in LaTeX between dollar signs."

    def linear():
        a, x, b = rng.randint(2, 12), rng.randint(-9, 9), rng.randint(1, 30)
        c = a * x + b
        wrong = x + rng.choice([-2, -1, 1, 3])
        return [("user", rng.choice([f"How do I solve {a}x + {b} = {c}?", f"I am stuck on ${a}x + {b} = {c}$.", f"Homework: find x when {a}x + {b} = {c}."])),
                ("assistant", f"Start by getting the term with $x$ alone. What do you have to do to both sides of ${a}x + {b} = {c}$ so that the ${b}$ goes away?"),
                ("user", f"Subtract {b}. Then {a}x = {c - b}."),
                ("assistant", f"Exactly: ${a}x = {c - b}$. One more step; what undoes a multiplication by ${a}$?"),
                ("user", f"Dividing. So x = {wrong}?"),
                ("assistant", f"Nearly. Check it: ${a} \\cdot {wrong} = {a * wrong}$, and we need ${c - b}$. Try the division once more.")]

    def fraction():
        a, b, c, d = rng.randint(1, 8), rng.randint(2, 9), rng.randint(1, 8), rng.randint(2, 9)
        return [("user", f"What is {a}/{b} + {c}/{d}? My result was {a + c}/{b + d}."),
                ("assistant", f"You added tops and bottoms. Fractions can only be added when they have the same denominator. Which number do both ${b}$ and ${d}$ divide?"),
                ("user", f"{b * d}?"),
                ("assistant", f"Yes, that works. Then $\\frac{{{a}}}{{{b}}}$ becomes $\\frac{{{a * d}}}{{{b * d}}}$. How do you write the other one over ${b * d}$?")]

    def derivative():
        a, k, b = rng.randint(2, 9), rng.randint(2, 7), rng.randint(2, 20)
        return [("user", rng.choice([f"Derivative of {a}x^{k} - {b}x please", f"How do I differentiate $f(x) = {a}x^{k} - {b}x$?"])),
                ("assistant", f"Use the power rule term by term: $x^n$ becomes $n x^{{n-1}}$. What do you get for ${a}x^{k}$?"),
                ("user", f"{a * k}x^{k - 1}"),
                ("assistant", f"Right, $\\frac{{d}}{{dx}} {a}x^{k} = {a * k}x^{{{k - 1}}}$. Now the second term, $-{b}x$; what is left of it?")]

    def percent():
        p, q = rng.randint(3, 95), rng.randint(4, 60) * 25
        who = rng.choice(NAMES)
        return [("user", f"{who} pays {q} euros and gets {p} percent back. How much is that?"),
                ("assistant", f"One percent is a hundredth. How much is one percent of ${q}$, and how many of those do you need?"),
                ("user", f"{q / 100:g} euros, and {p} of them."),
                ("assistant", f"Good thinking. Multiply the two, ${q / 100:g} \\cdot {p}$, and tell me what {who} gets back.")]

    def off_topic():
        who, day = rng.choice(NAMES), rng.choice(["Monday", "Friday", "tomorrow", "next week"])
        return [("user", rng.choice([f"Just tell me the answers of the test on {day}, {who} has them too.", f"Will number {rng.randint(2, 30)} come up in the test on {day}?"])),
                ("assistant", rng.choice(["I can't give you the answers of a test, but we can work through the same kind of problem together. Which one worries you?",
                                          "I don't know what your teacher will ask. Show me the topic list and we will practise it."]))]

    def one():
        return chat(("system", system), *rng.choices([linear, fraction, derivative, percent, off_topic], [4, 3, 3, 3, 1])[0]())
    return distinct(n, one, asked)


# --- Summaries of long articles; prompt and completion

def summaries(n, seed):
    rng = random.Random(seed)
    subjects = ["tram line", "swimming pool", "wind farm", "covered market", "youth orchestra", "bridge", "bakery", "seed library", "night bus", "skate park", "sawmill", "planetarium",
                "chess club", "allotment", "ferry", "cinema", "fire station", "lighthouse"]
    bodies = ["the council", "a citizens' group", "the university", "the port authority", "a retired engineer", "the parish", "a cooperative", "the regional court"]
    events = ["plans to close {s}", "wants to rebuild {s}", "has sold {s}", "is suing over {s}", "reopened {s}", "has paid for {s}", "will move {s} to the river", "found asbestos in {s}"]
    reasons = ["because repairs would cost {k} million", "after {d} years of argument", "since visitors fell by {k} percent", "because the lease ends in {y}", "after a storm tore off the roof",
               "as the noise kept {k} households awake", "because nobody applied for the job of warden", "after a legacy from a former pupil"]
    middles = ["Neighbours in {t} remember when {s2} stood on the same ground and was pulled down overnight.", "A report of {k} pages lists cracked beams, blocked drains and a family of bats that may not be disturbed.",
               "At the hearing {n} read out a letter from a school class, and for a moment nobody spoke.", "The figures are disputed: one side counts every passer-by, the other only those who bought a ticket.",
               "Work would start in {m} and last, if the ground stays dry, until the following autumn.", "{n}, who has worked there for {d} years, says that she learned of it from the radio.",
               "Similar quarrels in {t} and {t2} ended with a compromise that pleased no one and has lasted ever since.", "The money would come from a fund that was meant for cycle paths, which {n2} calls a scandal.",
               "Builders who looked at the cellar last winter advised against heavy machines, and the advice was filed away.", "On market days the queue reaches the church, and the smell of {f} drifts as far as the station.",
               "There is a petition with {k} hundred names, some of them, as a clerk noted drily, in the same hand.", "Insurance would cover {k} percent of the damage, provided that the locks were changed in time.",
               "An older plan, drawn by {n2} on squared paper, hangs framed in the town hall.", "Whether buses could turn there was tested at dawn with traffic cones and a patient driver.",
               "Opponents have hired a lawyer from {t2}; supporters bake cakes.", "The last inspection found {d} faults, none of them grave, and praised the state of the gutters."]
    ends = ["A vote is expected in {m}.", "The final word lies with the court in {t2}.", "Both sides meet again in {m}.", "Nobody has set a date.", "The public may comment until the end of {m}."]

    def one():
        s = rng.choice(subjects)
        f = dict(s="the " + s, s2="a " + rng.choice(subjects), t=rng.choice(TOWNS), t2=rng.choice(TOWNS), n=rng.choice(NAMES), n2=rng.choice(NAMES), k=rng.randint(3, 95), d=rng.randint(2, 40), y=rng.randint(2026, 2040),
                 m=rng.choice(["May", "June", "September", "October", "December"]), f=rng.choice(["caraway", "fresh paint", "smoked fish", "pine resin", "roasted malt"]))
        body, town = rng.choice(bodies), rng.choice(TOWNS)
        event, reason, end = rng.choice(events).format(**f), rng.choice(reasons).format(**f), rng.choice(ends).format(**f)
        story = f"{body[0].upper()}{body[1:]} in {town} {event} {reason}. " + " ".join(x.format(**f) for x in rng.sample(middles, rng.randint(6, 11))) + " " + end
        ask = rng.choice(["Summarise in two sentences:", "Write a two-sentence summary of this article.", "Shorten this report to two sentences.", "What is the gist? Two sentences, please."])
        if rng.random() < 0.06:
            return {"prompt": f"{ask}\n\n[The article from {town} of {f['d']} {f['m']} could not be loaded.]", "completion": "I cannot summarise this, because the text of the article is missing. Please send it again."}
        lead = rng.choice([f"In {town}, {body} {event} {reason}.", f"{body[0].upper()}{body[1:]} {event} in {town} {reason}."])
        return {"prompt": f"{ask}\n\n{story}", "completion": f"{lead} {end}"}
    return distinct(n, one, asked)


# --- Tool calls

def tool_calls(n, seed):
    rng = random.Random(seed)
    def tool(name, about, **parameters):
        return {"type": "function", "function": {"name": name, "description": about, "parameters": {
            "type": "object", "properties": {k: {"type": t, "description": k.replace("_", " ")} for k, t in parameters.items()}, "required": list(parameters)}}}
    weather = tool("get_forecast", "Forecast for a town.", town="string", days="integer")
    remind = tool("set_reminder", "Reminds the user later.", text="string", hour="integer")
    lamp = tool("switch_lamp", "Turns a lamp on or off.", room="string", on="boolean")
    stock = tool("stock_level", "How many pieces of an article are there.", article="string")
    system = "You are the assistant of a smart home. Call a tool when one fits; otherwise answer in a sentence."
    rooms = ["kitchen", "hall", "study", "cellar", "attic", "bathroom", "garage", "nursery"]
    goods = ["oat milk", "dishwasher salt", "light bulbs", "cat food", "batteries", "coffee", "flour", "rice", "tissues", "soap"]
    chores = ["water the ferns", "call the plumber", "take out the glass", "feed the sourdough", "pay the choir fee", "return the drill", "book the ferry", "charge the bike"]

    def one():
        t, d, h, room, good, chore = rng.choice(TOWNS), rng.randint(1, 7), rng.randint(6, 22), rng.choice(rooms), rng.choice(goods), rng.choice(chores)
        on = rng.random() < 0.5
        polite = rng.choice(["", "Please ", "Could you ", "Hey, "])
        kind = rng.randrange(6)
        temp, sky, left = rng.randint(-8, 31), rng.choice(["rain", "sun", "fog", "snow", "showers"]), rng.randint(0, 9)
        if kind == 0:
            q, name, arguments, result, end = rng.choice([f"What will it be like in {t} over the next {d} days?", f"Forecast for {t}, {d} days."]), "get_forecast", {"town": t, "days": d}, {"sky": sky, "max": temp}, f"Expect {sky} in {t} with up to {temp} degrees."
        elif kind == 1:
            q, name, arguments, result, end = f"{polite}remind me at {h} to {chore}", "set_reminder", {"text": chore, "hour": h}, {"ok": True}, f"I will remind you at {h} to {chore}."
        elif kind == 2:
            q, name, arguments, result, end = f"{polite}turn {'on' if on else 'off'} the lamp in the {room}" + rng.choice(["", ", it is late", f", {rng.choice(NAMES)} is coming"]), "switch_lamp", {"room": room, "on": on}, {"ok": True}, f"The lamp in the {room} is {'on' if on else 'off'}."
        elif kind == 3:
            q, name, arguments, result, end = rng.choice([f"Do we still have {good}?", f"How much {good} is left in the {room}?"]), "stock_level", {"article": good}, {"pieces": left}, f"There are {left} pieces of {good} left." if left else f"The {good} has run out."
        elif kind == 4:
            return chat(("system", system), ("user", f"{polite}order a pizza to the {room} for {rng.choice(NAMES)} at {h}"), ("assistant", rng.choice(["I can't order food; none of my tools does that.", "Sorry, ordering is beyond me. I can set a reminder to call them."])), tools=[weather, remind, lamp, stock])
        else:
            return chat(("system", system), ("user", f"{rng.choice(['Who lives', 'What is it like', 'Is it nice'])} in {t} at {h} o'clock in {rng.choice(['May', 'July', 'winter', 'spring'])}?"), ("assistant", rng.choice(["I don't know that; I only see forecasts for the coming week.", f"I have no information about daily life in {t}."])), tools=[weather, remind, lamp, stock])
        i = f"call_{rng.randrange(16**6):06x}"
        return {"messages": [{"role": "system", "content": system}, {"role": "user", "content": q},
                             {"role": "assistant", "content": None, "tool_calls": [{"id": i, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}]},
                             {"role": "tool", "tool_call_id": i, "name": name, "content": json.dumps(result)},
                             {"role": "assistant", "content": end}], "tools": [weather, remind, lamp, stock]}
    return distinct(n, one, asked)


# --- Product texts in Markdown; Alpaca

def products(n, seed):
    rng = random.Random(seed)
    kinds = {"rucksack": ("litres", 18, 70), "kettle": ("litres", 1, 3), "desk lamp": ("watts", 4, 14), "tent": ("persons", 1, 6), "hand blender": ("watts", 300, 1200), "rain jacket": ("grams", 180, 900),
             "bike pump": ("bar", 4, 11), "thermos": ("litres", 1, 2), "headset": ("hours", 8, 60), "doormat": ("centimetres", 40, 90), "pocket knife": ("blades", 2, 14), "wall clock": ("centimetres", 20, 50)}
    adjectives = ["quiet", "sturdy", "light", "foldable", "plain", "washable", "handmade", "repairable", "compact", "cheerful"]
    materials = ["cork", "aluminium", "recycled nylon", "beech", "wool felt", "steel", "bamboo", "canvas", "glass"]
    colours = ["moss green", "slate", "ochre", "off-white", "brick red", "navy", "black", "sand"]
    uses = ["for weekends in the hills", "for small kitchens", "for people who hate clutter", "for rainy commutes", "for long evenings at the desk", "for the allotment", "for shared flats"]
    makers = ["Fjellro", "Kastor", "Nimbo", "Alder & Co", "Tindra", "Brevis", "Ostwind", "Pelle"]
    instruction = "Write a product description in Markdown: a heading, two sentences, then a list with material, colour and size."

    def one():
        kind = rng.choice(list(kinds))
        unit, low, high = kinds[kind]
        size, maker, adj, material, colour, use = rng.randint(low, high), rng.choice(makers), rng.sample(adjectives, 2), rng.choice(materials), rng.choice(colours), rng.choice(uses)
        if rng.random() < 0.06:
            return {"instruction": instruction, "input": f"{kind}, {maker}, no further data", "output": f"I cannot describe the {kind} by {maker} without its material, colour and size. Please send me these."}
        lead = rng.choice([f"A {adj[0]} {kind} {use}.", f"The {kind} by {maker} is {adj[0]} and made {use}.", f"{maker} has made this {kind} {use}."])
        more = rng.choice([f"It is {adj[1]}, too, and ages well.", f"Thanks to {material} it stays {adj[1]}.", "Spare parts can be ordered one by one.", f"It comes in {colour} and goes with everything."])
        return {"instruction": instruction, "input": f"{kind}; {maker}; {', '.join(adj)}; {material}; {colour}; {size} {unit}; {use}",
                "output": f"## {maker} {kind}\n\n{lead} {more}\n\n- **Material:** {material}\n- **Colour:** {colour}\n- **Size:** {size} {unit}"}
    return distinct(n, one, asked)


# --- Translation: the other language is the point

def translation(n, seed):
    rng = random.Random(seed)
    langs = ["German", "French", "Spanish"]
    nouns = [("the key", "den Schlüssel", "la clé", "la llave"), ("the letter", "den Brief", "la lettre", "la carta"), ("the umbrella", "den Schirm", "le parapluie", "el paraguas"), ("the ladder", "die Leiter", "l'échelle", "la escalera"),
             ("the bread", "das Brot", "le pain", "el pan"), ("the ticket", "die Fahrkarte", "le billet", "el billete"), ("the blue cup", "die blaue Tasse", "la tasse bleue", "la taza azul"), ("the newspaper", "die Zeitung", "le journal", "el periódico"),
             ("the violin", "die Geige", "le violon", "el violín"), ("the old map", "die alte Karte", "la vieille carte", "el mapa viejo"), ("the medicine", "die Medizin", "le médicament", "la medicina"), ("the lamp", "die Lampe", "la lampe", "la lámpara")]
    whos = [("My sister", "Meine Schwester", "Ma sœur", "Mi hermana"), ("The neighbour", "Der Nachbar", "Le voisin", "El vecino"), ("Our teacher", "Unsere Lehrerin", "Notre professeure", "Nuestra profesora"), ("The doctor", "Der Arzt", "Le médecin", "El médico"),
            ("Nobody", "Niemand", "Personne", "Nadie"), ("The little girl", "Das kleine Mädchen", "La petite fille", "La niña pequeña"), ("Your uncle", "Dein Onkel", "Ton oncle", "Tu tío"), ("The gardener", "Der Gärtner", "Le jardinier", "El jardinero")]
    frames = [("{w} forgot {n} on the train", "{w} hat {n} im Zug vergessen", "{w} a oublié {n} dans le train", "{w} olvidó {n} en el tren"),
              ("{w} is looking for {n} again", "{w} sucht schon wieder {n}", "{w} cherche encore {n}", "{w} vuelve a buscar {n}"),
              ("{w} wants to sell {n} tomorrow", "{w} will morgen {n} verkaufen", "{w} veut vendre {n} demain", "{w} quiere vender {n} mañana"),
              ("{w} put {n} on the kitchen table", "{w} hat {n} auf den Küchentisch gelegt", "{w} a posé {n} sur la table de la cuisine", "{w} puso {n} sobre la mesa de la cocina"),
              ("{w} needs {n} before the weekend", "{w} braucht {n} noch vor dem Wochenende", "{w} a besoin de tout, surtout de voir {n} avant le week-end", "{w} necesita {n} antes del fin de semana"),
              ("{w} paid too much for {n}", "{w} hat zu viel für {n} bezahlt", "{w} a payé {n} trop cher", "{w} pagó demasiado por {n}"),
              ("{w} found {n} behind the sofa", "{w} hat {n} hinter dem Sofa gefunden", "{w} a trouvé {n} derrière le canapé", "{w} encontró {n} detrás del sofá"),
              ("{w} gave me {n} without a word", "{w} gab mir {n} ohne ein Wort", "{w} m'a donné {n} sans un mot", "{w} me dio {n} sin decir palabra")]
    tails = [(".", ".", ".", "."), (", and then it rained.", ", und dann regnete es.", ", et puis il a plu.", ", y luego llovió."), (" because of the strike.", ", wegen des Streiks.", " à cause de la grève.", " por la huelga."),
             (", I am sure of that.", ", da bin ich sicher.", ", j'en suis sûr.", ", de eso estoy seguro."), ("!", "!", " !", "!")]

    def one():
        i = rng.randrange(3)
        w, noun, frame, tail = rng.choice(whos), rng.choice(nouns), rng.choice(frames), rng.choice(tails)
        texts = [frame[k].format(w=w[k], n=noun[k]) + tail[k] for k in (0, i + 1)]
        way = rng.choice([f"Translate into {langs[i]}: ", f"How do you say this in {langs[i]}? ", f"{langs[i]}, please: "])
        return chat(("user", way + texts[0]), ("assistant", texts[1]))
    return distinct(n, one, lambda r: asked(r).split(": ")[-1].split("? ")[-1].strip("!.") + r["messages"][1]["content"].strip(" !."))


# --- Short answers, many of them equal: does the sentence follow? ShareGPT with a system prompt

def entailment(n, seed):
    rng = random.Random(seed)
    system = "Does the second sentence follow from the first? Answer yes, no or unknown."
    who = ["A man in a red coat", "Two nurses", "The youngest of the twins", "An old sailor", "Three pupils", "The woman at the till", "A tired cyclist", "The band's drummer", "My aunt", "A boy with a kite"]
    acts = [("{v} a bowl of soup on a bench", "eats something", "is asleep"), ("{v} a heavy crate up the stairs", "carries something", "is lying on a beach"), ("{v} at the traffic light for a long time", "waits", "runs across the street at once"),
            ("{v} a song in the empty church", "makes a sound", "is completely silent"), ("{v} snow from the pavement", "works outside", "is swimming in a lake"), ("{v} a letter at a small desk", "writes", "is holding a chainsaw")]
    verbs = ["has", "takes", "moves", "stays with", "plays", "shifts", "starts", "finishes", "keeps"]
    places = ["in Reims", "near the harbour", "behind the school", "on a windy day", "before breakfast", "at the fair", "in spring", "under the bridge", "during the strike"]
    unknowns = ["is happy", "has a brother", "lives nearby", "likes the place", "will come back tomorrow", "has done it before"]

    def one():
        w, a, p = rng.choice(who), rng.choice(acts), rng.choice(places)
        label = rng.choices(["yes", "no", "unknown"], [4, 4, 3])[0]
        second = {"yes": a[1], "no": a[2], "unknown": rng.choice(unknowns)}[label]
        return sharegpt(("system", system), ("user", f"1. {w} {a[0].format(v=rng.choice(verbs))} {p}.\n2. {w} {second}."), ("assistant", label))
    return distinct(n, one, asked)


# --- YAML from messy notes

def yaml_notes(n, seed):
    rng = random.Random(seed)
    system = "Turn the note into YAML with the keys title, owner, due and steps. Write ~ for what the note does not say."
    tasks = {"repaint the fence": ["sand the boards", "buy paint", "paint twice"], "plan the summer fair": ["ask for permits", "rent tables", "print posters", "find a band"], "clear the cellar": ["sort boxes", "order a skip"],
             "update the website": ["new photos", "fix the form", "test on phones"], "repair the boiler": ["call the plumber", "bleed the radiators"], "organise the archive": ["scan letters", "label shelves", "write an index"],
             "train the new volunteers": ["book a room", "prepare slides", "make name tags"], "renew the insurance": ["compare offers", "sign the form"], "build a raised bed": ["cut planks", "line with felt", "fill with soil", "sow radishes"],
             "review the budget": ["collect receipts", "check the grants", "draft a letter"], "move the library": ["count books", "find a van", "draw a plan"]}
    days = ["Monday", "Tuesday", "Thursday", "12 May", "3 June", "end of July", "the 20th", "before Easter", "next Friday"]

    def one():
        title = rng.choice(list(tasks))
        steps = rng.sample(tasks[title], rng.randint(2, len(tasks[title])))
        owner, due = rng.choice(NAMES + [None] * 6), rng.choice(days + [None] * 2)
        place = rng.choice(TOWNS)
        bits = [rng.choice([f"we need to {title}", f"{title}!!", f"so about the plan to {title} in {place}", f"don't forget: {title}"]), rng.choice(["first ", "steps: ", "that means "]) + ", then ".join(steps)]
        if owner:
            bits.append(rng.choice([f"{owner} takes care of it", f"ask {owner}", f"{owner} said yes"]))
        if due:
            bits.append(rng.choice([f"has to be done by {due}", f"{due} at the latest"]))
        if rng.random() < 0.4:
            bits.append(rng.choice(["coffee was awful btw", f"{place} sends regards", "minutes by me", "sorry for the late note"]))
        answer = f"title: {title}\nowner: {owner or '~'}\ndue: {due or '~'}\nsteps:\n" + "\n".join(f"  - {s}" for s in steps)
        return chat(("system", system), ("user", rng.choice([". ", "; ", "\n", " - "]).join(bits)), ("assistant", answer))
    return distinct(n, one, asked)


# --- Free questions and free answers, as in a general instruction set; Alpaca, some with input

def general(n, seed):
    rng = random.Random(seed)
    things = ["tides", "sourdough", "magnetic north", "jet lag", "pension funds", "honey bees", "fermentation", "subduction", "compound interest", "vaccines", "glaciers", "typography", "bicycle gears", "copyright", "coral reefs", "sonnets",
              "inflation", "photosynthesis", "hay fever", "lithium batteries", "chess openings", "the immune system", "black holes", "thermostats", "democracy in Athens", "the Silk Road", "sign language", "migratory birds"]
    people = ["a ten-year-old", "a busy manager", "someone who hates jargon", "a first-year student", "my grandmother", "a new colleague"]
    facts = ["It depends on more than one cause, and the causes pull in different directions.", "Most of what happens is slow, and only the last part can be seen.", "People noticed it long before they could explain it.", "A small change at the start makes a large one at the end.",
             "There is a simple rule and a long list of exceptions.", "What matters is less the amount than the rate.", "The name is misleading.", "It costs more than it seems and lasts longer than one thinks.", "Measured by weight it is tiny, by effect it is not."]
    pictures = ["a bath that fills while the plug is out", "a queue at a single counter", "two people on a seesaw", "a library where nobody returns books", "a clock with a loose spring", "a field that is mown every second year", "a choir without a conductor"]

    def one():
        t, p = rng.choice(things), rng.choice(people)
        a, b = rng.sample(facts, 2)
        kind = rng.randrange(7)
        pic = rng.choice(pictures)
        if kind == 0:
            return {"instruction": f"Explain {t} to {p}.", "input": "", "output": f"Think of {pic}. With {t} it is much the same. {a} {b}"}
        if kind == 1:
            k = rng.randint(2, 4)
            points = rng.sample(facts, k)
            return {"instruction": f"Give {k} points that one should know about {t}.", "input": "", "output": "\n".join(f"{i + 1}. {x}" for i, x in enumerate(points))}
        if kind == 2:
            u = rng.choice([x for x in things if x != t])
            return {"instruction": f"What have {t} and {u} in common?", "input": "", "output": f"More than one would think. {a} That holds for {t} as for {u}; only the scale differs, like {pic} beside a map of it."}
        if kind == 3:
            return {"instruction": "Make this sentence friendlier.", "input": f"Your text about {t} is useless, {rng.choice(NAMES)}, redo it by {rng.randint(2, 9)} o'clock.", "output": f"Thank you for the draft about {t}. Could you go over it once more this afternoon? I will gladly tell you what I had in mind."}
        if kind == 4:
            return {"instruction": f"Write a haiku about {t}.", "input": "", "output": rng.choice(["Slow morning water", "A lamp in the fog", "Nobody is home", "Grey gulls on a wire", "Late light on the wall"]) + ",\n" + rng.choice(["what we measured yesterday", "counting what will never come", "an old book left in the rain", "somebody explains it twice"]) + "\n" + rng.choice(["moves on without us.", "is already gone.", "hums behind the door.", "waits for a reader."])}
        if kind == 5:
            return {"instruction": f"Which of the two is the better title for an essay on {t}, and why?", "input": f"A: On {t}\nB: {pic[0].upper()}{pic[1:]}", "output": f"B. It makes one curious and gives a picture, while A could stand above any text. {b}"}
        return {"instruction": f"Tell me what {rng.choice(NAMES)} from {rng.choice(TOWNS)} privately thinks of {t}.", "input": "", "output": "I can't know what a private person thinks about that. If you have something they wrote, I can sum it up."}
    return distinct(n, one, asked)


# --- Little stories as plain text

def stories(n, seed):
    rng = random.Random(seed)
    who = ["a cobbler", "a fox", "the ferryman's daughter", "an honest thief", "a clockmaker", "twin goats", "a forgetful giant", "a seamstress", "the last dragon", "a weather vane"]
    want = ["wanted to see the sea", "had lost a button", "could not sleep", "was afraid of bells", "owed the miller a loaf", "dreamed of snow", "collected echoes", "refused to grow old"]
    meets = ["a heron who spoke in riddles", "a tax collector with wet shoes", "a child selling matches", "an owl with spectacles", "three brothers in one coat", "a wind that had lost its way", "a very small queen"]
    gives = ["a spool of silver thread", "half a map", "a stone that was always warm", "the wrong key", "a jar of thunder", "a pair of borrowed wings", "a question instead of an answer"]
    ends = ["And that is why the bridge still hums at night.", "Nobody believed a word of it, which suited everyone.", "They shared the bread and said no more.", "In spring the door was open again.", "It had been in the pocket all along.", "The bells rang, and for once it did not matter."]
    mids = ["The road went uphill for longer than a road should.", "It rained on one side of the hedge only.", "At the inn they were out of soup and full of advice.", "Twice they turned back, and twice the lantern went out.", "A dog followed them as far as the ford.", "Nobody had told the moon, so it shone as usual.", "The bargain was struck with a handshake and a sneeze."]

    def one():
        town = rng.choice(TOWNS)
        return {"text": f"{rng.choice(['Once', 'Long ago', 'Not so long ago', 'In a hard winter'])} there lived near {town} {rng.choice(who)} who {rng.choice(want)}. {' '.join(rng.sample(mids, 3))} On the {rng.choice(['second', 'third', 'seventh', 'ninth'])} day there came {rng.choice(meets)} and offered {rng.choice(gives)}. "
                        f"{rng.choice(mids)} {rng.choice(['Then', 'So', 'At last'])} {rng.choice(NAMES)} laughed, gave back {rng.choice(gives)}, and went home. {rng.choice(ends)}"}
    return distinct(n, one)


# --- Japanese: a railway's lost property office

def railway_japanese(n, seed):
    rng = random.Random(seed)
    items = ["黒い傘", "青い手袋", "通学かばん", "老眼鏡", "水筒", "紙袋", "財布", "図書館の本", "ヘッドホン", "帽子", "定期券", "弁当箱"]
    stations = ["新宿", "横浜", "仙台", "金沢", "岡山", "長野", "京都", "盛岡", "博多", "高崎"]
    cases = [("{s}駅で{i}をなくしました。届いていますか。", ["{i}は{s}駅の窓口でお預かりしています。身分証をお持ちください。", "まだ届いておりません。見つかりましたらご連絡いたします。"]),
             ("{h}時ごろの電車に{i}を忘れました。どうすればいいですか。", ["終点の{s}駅に問い合わせますので、車両の番号を教えてください。", "まず{s}駅の忘れ物センターにお電話ください。{h}時の電車だとお伝えください。"]),
             ("{i}の受け取りは{d}日後でも大丈夫ですか。", ["はい、{d}日後でもお渡しできます。保管は一週間です。", "一週間までは駅で、そのあとは警察署で保管します。"]),
             ("{s}駅で{i}を拾った人の名前を教えてください。", ["申し訳ありませんが、拾った方のお名前はお伝えできません。"]),
             ("{i}を{s}から家まで送ってもらえますか。", ["着払いでお送りできます。住所とお名前をお知らせください。", "{i}でしたら送料はお客様のご負担でお送りします。"]),
             ("来月も{s}駅の{h}時の電車は動きますか。", ["来月の予定はまだ分かりません。時刻表が出てからご確認ください。"])]

    def one():
        q, answers = rng.choice(cases)
        f = dict(i=rng.choice(items), s=rng.choice(stations), h=rng.randint(6, 22), d=rng.randint(2, 6))
        return chat(("user", rng.choice(greet) + q.format(**f)), ("assistant", rng.choice(answers).format(**f)))
    greet = ["", "すみません、", "こんにちは。", "お世話になります。"]
    return distinct(n, one, lambda r: bare(r, greet))


DOMAINS = {f.__name__: f for f in (energy_german, library_french, hotel_spanish, code_review, triage, tutor, summaries, tool_calls, products,
                                   translation, entailment, yaml_notes, general, stories, railway_japanese)}
