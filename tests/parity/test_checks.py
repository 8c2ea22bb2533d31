"""The declared checks of src/eval against the programs that define them: rouge-score, sacrebleu, jsonschema, and IFEval's
own instruction checkers (as if-verifiable carries them)."""
import json
import os
import random
import re
import subprocess

import jsonschema
import sacrebleu
from if_verifiable.common import evaluate_instructions
from if_verifiable.ifeval import instructions_util
from if_verifiable.ifeval.instructions_registry import INSTRUCTION_DICT
from rouge_score import rouge_scorer

TOOL = os.path.join(os.environ.get("LORA_BUILD_DIR", "build"), "tools", "eval_tool")


def ask(requests):
    text = "".join(json.dumps(request) + "\n" for request in requests)
    run = subprocess.run([TOOL], input=text, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(answers) == len(requests)
    return answers


# ---- overlap of texts

WORDS = ("the a cat dog sat on mat 3.14 1,000 2-3 don't well-known e.g. U.S. (sic) \"quoted\" “typographic” naïve Straße "
         "İstanbul K 東京 は 晴れ 😀 <skipped> &quot;x&quot; &amp; a&lt;b end. stop! what? 50% $5 a/b x=y [1] {k} ~ ` ' - -- …").split()


def random_text(rng, most=40):
    words = [rng.choice(WORDS) for _ in range(rng.randint(0, most))]
    return "".join(word + rng.choice([" "] * 8 + ["  ", "\n", "-\n", "\u00a0", "\u3000", "\t", "", ", "]) for word in words)


def text_pairs(rng, count):
    pairs = []
    for _ in range(count):
        reference = random_text(rng)
        kind = rng.random()
        if kind < 0.1: answer = reference
        elif kind < 0.2: answer = rng.choice(["", " ", ".", "a", "\n\n", "%", "the"])
        elif kind < 0.3: answer = random_text(rng)
        else:
            words = reference.split(" ")
            for _ in range(rng.randint(1, 6)):
                words.insert(rng.randint(0, len(words)), rng.choice(WORDS))
                if words: words.pop(rng.randrange(len(words)))
            answer = " ".join(words)
        pairs.append((answer, reference))
    return pairs


def test_overlap_equals_rouge_score_and_sacrebleu():
    pairs = text_pairs(random.Random(5), 1500)
    got = ask([{"overlap": pairs}])[0]
    rouge, bleu, chrf = rouge_scorer.RougeScorer(["rougeL"]), sacrebleu.BLEU(effective_order=True), sacrebleu.CHRF()
    worst = 0
    for i, (answer, reference) in enumerate(pairs):
        expected = {"rouge_l": rouge.score(reference, answer)["rougeL"].fmeasure,
                    "bleu": bleu.sentence_score(answer, [reference]).score / 100,
                    "chrf": chrf.sentence_score(answer, [reference]).score / 100}
        for name, value in expected.items():
            worst = max(worst, abs(got[name][i] - value))
            assert abs(got[name][i] - value) < 1e-9, (name, answer, reference, got[name][i], value)
    answers, references = [a for a, _ in pairs], [[r for _, r in pairs]]
    assert abs(got["corpus_bleu"] - sacrebleu.corpus_bleu(answers, references).score / 100) < 1e-9
    assert abs(got["corpus_chrf"] - sacrebleu.corpus_chrf(answers, references).score / 100) < 1e-9
    print(f"{len(pairs)} pairs, largest difference {worst:.2g}")


# ---- JSON Schema

SCHEMAS = [
    True, False, {}, {"type": "object"}, {"type": "integer"}, {"type": "number"}, {"type": ["string", "null"]},
    {"type": ["integer", "boolean"]}, {"enum": [1, "a", None, [1, 2], {"a": 1.0}]}, {"const": {"a": [1, 2.0]}}, {"const": 0},
    {"minimum": 2, "maximum": 5}, {"exclusiveMinimum": 2, "exclusiveMaximum": 5.5}, {"multipleOf": 2}, {"multipleOf": 0.5},
    {"minLength": 1, "maxLength": 2}, {"pattern": "^[a-c]+$"}, {"pattern": "é"}, {"not": {"pattern": "a"}},
    {"minItems": 1, "maxItems": 2}, {"uniqueItems": True}, {"items": {"type": "integer"}}, {"contains": {"const": 1}},
    {"prefixItems": [{"type": "integer"}, {"type": "string"}]},
    {"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}, {"prefixItems": [{}], "items": False},
    {"properties": {"a": {"type": "integer"}, "b": {"minLength": 1}}, "required": ["a"]},
    {"properties": {"a": {}}, "additionalProperties": False},
    {"properties": {"a": {}}, "additionalProperties": {"type": "string"}},
    {"patternProperties": {"^a": {"type": "integer"}, "b$": {"type": "string"}}},
    {"patternProperties": {"^a": {"type": "integer"}}, "additionalProperties": False},
    {"properties": {"a": {"minimum": 1}}, "patternProperties": {"a": {"maximum": 3}}, "additionalProperties": {"const": 1}},
    {"propertyNames": {"pattern": "^[a-z]$"}}, {"propertyNames": {"maxLength": 1}}, {"propertyNames": {"enum": ["a", "b"]}},
    {"minProperties": 1, "maxProperties": 1}, {"dependentRequired": {"a": ["b"]}},
    {"dependentSchemas": {"a": {"required": ["b"], "properties": {"b": {"type": "string"}}}}},
    {"allOf": [{"type": "object"}, {"required": ["b"]}]}, {"anyOf": [{"type": "string"}, {"minimum": 3}]},
    {"oneOf": [{"type": "integer"}, {"minimum": 3}]}, {"not": {"type": "object"}},
    {"if": {"properties": {"a": {"const": 1}}, "required": ["a"]}, "then": {"required": ["b"]}, "else": {"maxProperties": 1}},
    {"if": {"type": "string"}, "then": {"minLength": 2}},
    {"$defs": {"n": {"type": "integer", "minimum": 0}}, "properties": {"a": {"$ref": "#/$defs/n", "maximum": 3}}},
    {"$defs": {"t": {"type": "object", "properties": {"a": {"$ref": "#/$defs/t"}}, "additionalProperties": False}}, "$ref": "#/$defs/t"},
    {"properties": {"a": {"$ref": "#"}}, "additionalProperties": False},
    {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}},
    {"type": "string", "format": "date"}, {"title": "x", "description": "y", "default": 1, "$comment": "z", "examples": [1]},
    {"allOf": [{"pattern": "a"}, {"pattern": "b"}], "pattern": "c"},
]
SCALARS = [0, 1, 2, 3, 5, 5.0, 5.5, -1, 1e3, True, False, None, "", "a", "ab", "abc", "é", "日本", "x y", 2.5, 7, 12345678901234567890]


def random_value(rng, depth=0):
    kind = rng.random()
    if depth > 2 or kind < 0.4: return rng.choice(SCALARS)
    if kind < 0.65: return [random_value(rng, depth + 1) for _ in range(rng.randint(0, 3))]
    return {rng.choice(["a", "b", "ab", "c", "A1"]): random_value(rng, depth + 1) for _ in range(rng.randint(0, 3))}


def test_json_schema_equals_jsonschema():
    rng = random.Random(6)
    values = SCALARS + [random_value(rng) for _ in range(250)]
    requests, expected = [], []
    for schema in SCHEMAS:
        validator = jsonschema.Draft202012Validator(schema)
        for value in values:
            requests.append({"check": {"type": "json_schema", "schema": schema}, "answer": json.dumps(value)})
            expected.append(validator.is_valid(value))
    wrong = [(r, e, g) for r, e, g in zip(requests, expected, ask(requests)) if g.get("passed") is not e]
    assert not wrong, (len(wrong), wrong[:5])
    assert 0.2 < sum(expected) / len(expected) < 0.9
    print(len(requests), "pairs of schema and value")


# ---- IFEval

PIECES = ["Hello world", "My answer is yes.", "* point", "- point", "*bold*", "**very bold**", "[name]", "[a] [b]", "P.S. more",
          "p. s. more", "P.P.S. again", "<<A title>>", "<< >>", "***", "******", "Section 1", "SECTION 2", "section 3", "a, b",
          "The end", "the END", '"', "{\"a\": 1}", "```json", "```", "word word word", "It's \"fine\".", "x_y 42", "café naïve",
          "Why? Because.", "ééé", "", " ", "I am HAPPY", "A * b * c", "** **", "Any other questions?", "(one) two-three",
          "* * * ", "\t- tabbed", "Paragraph one", "'Quoted' start"]


def random_answer(rng):
    parts = []
    for _ in range(rng.randint(1, 9)):
        parts += [rng.choice(PIECES), rng.choice(["\n", "\n", "\n\n", " ", " ", "", "\n\n\n"])]
    return "".join(parts).strip()


def random_arguments(name, rng):
    relation = rng.choice(["less than", "at least"])
    number = rng.randint(1, 4)
    words = rng.sample(["word", "point", "hello", "END", "café", "title", "a", "fine", "zebra"], 2)
    return {
        "keywords:existence": {"keywords": words},
        "keywords:frequency": {"keyword": words[0], "frequency": number, "relation": relation},
        "keywords:forbidden_words": {"forbidden_words": words},
        "keywords:letter_frequency": {"letter": rng.choice("aeZ"), "let_frequency": number * 2, "let_relation": relation},
        "length_constraints:number_paragraphs": {"num_paragraphs": number},
        "length_constraints:number_words": {"num_words": number * 4, "relation": relation},
        "length_constraints:nth_paragraph_first_word": {"num_paragraphs": number, "nth_paragraph": rng.randint(1, number),
                                                        "first_word": rng.choice(["hello", "The", "paragraph", "my", "quoted"])},
        "detectable_content:number_placeholders": {"num_placeholders": number},
        "detectable_content:postscript": {"postscript_marker": rng.choice(["P.S.", "P.P.S", "The end"])},
        "detectable_format:number_bullet_lists": {"num_bullets": number - 1},
        "detectable_format:number_highlighted_sections": {"num_highlights": number},
        "detectable_format:multiple_sections": {"section_spliter": rng.choice(["Section", "SECTION"]), "num_sections": rng.randint(1, 2)},
        "combination:repeat_prompt": {"prompt_to_repeat": rng.choice(["Hello world", "my answer", "* point", "The end"])},
        "startend:end_checker": {"end_phrase": rng.choice(["The end", "questions?", "point", "<<A title>>"])},
    }.get(name, {})


# These rest on NLTK's data or on langdetect: compared below, or in ifeval_test.cpp with what the benchmark's rules say.
APART = {"language:response_language", "length_constraints:number_sentences", "change_case:capital_word_frequency",
         "change_case:english_capital", "change_case:english_lowercase"}


def reference(name, arguments, answer):
    results, _ = evaluate_instructions(answer, [name], [arguments], "", INSTRUCTION_DICT)
    return (results[0].strict_pass, results[0].loose_pass) if results else (False, False)


def test_ifeval_instructions_equal_the_benchmarks():
    rng = random.Random(7)
    names = [name for name in INSTRUCTION_DICT if name not in APART]
    assert len(INSTRUCTION_DICT) == 25 and len(names) == 20
    cases = []
    for name in names:
        for _ in range(400):
            arguments, answer = random_arguments(name, rng), random_answer(rng)
            if name == "startend:quotation" and rng.random() < 0.5: answer = f'"{answer}"'
            if name == "detectable_format:json_format" and rng.random() < 0.5: answer = rng.choice(["[1]", "```json\n{}\n```", "```\n3```", "{'a'}"])
            if name == "combination:two_responses" and rng.random() < 0.5: answer = f"{answer}\n******\n{random_answer(rng)}"
            cases.append((name, arguments, answer))
    got = ask([{"check": {"type": name, **arguments}, "answer": answer} for name, arguments, answer in cases])
    passed, wrong = {name: [0, 0] for name in names}, []
    for (name, arguments, answer), result in zip(cases, got):
        expected = reference(name, arguments, answer)
        for i in (0, 1): passed[name][i] += expected[i]
        if (result.get("passed"), result.get("loose")) != expected: wrong.append((name, arguments, answer, expected, result))
    assert not wrong, (len(wrong), wrong[:5])
    assert all(0 < strict < 400 for strict, _ in passed.values()), passed
    assert sum(loose > strict for strict, loose in passed.values()) > 10, passed


LANGUAGES = {
    "en": "The weather was fine this morning, so we walked along the river and talked about the books that we had read last year.",
    "de": "Das Wetter war heute Morgen schön, deshalb gingen wir am Fluss entlang und sprachen über die Bücher, die wir gelesen hatten.",
    "fr": "Il faisait beau ce matin, alors nous avons marché le long de la rivière et parlé des livres que nous avions lus.",
    "es": "Esta mañana hacía buen tiempo, así que caminamos por el río y hablamos de los libros que habíamos leído el año pasado.",
    "it": "Questa mattina il tempo era bello, quindi abbiamo camminato lungo il fiume e parlato dei libri che avevamo letto.",
    "ru": "Сегодня утром была хорошая погода, поэтому мы гуляли вдоль реки и говорили о книгах, которые прочитали в прошлом году.",
    "ja": "今朝は天気が良かったので、川沿いを歩きながら、去年読んだ本について話しました。",
    "ko": "오늘 아침은 날씨가 좋아서 우리는 강을 따라 걸으며 작년에 읽은 책에 대해 이야기했습니다.",
    "ar": "كان الطقس جميلا هذا الصباح، فمشينا على طول النهر وتحدثنا عن الكتب التي قرأناها في العام الماضي.",
    "hi": "आज सुबह मौसम अच्छा था, इसलिए हम नदी के किनारे चले और पिछले साल पढ़ी किताबों के बारे में बात की।",
}


def test_ifeval_languages_equal_the_benchmarks_on_clear_texts():
    cases = [("language:response_language", {"language": code}, text, None) for code in LANGUAGES for text in LANGUAGES.values()]
    for code, text in LANGUAGES.items():
        for name in ("change_case:english_capital", "change_case:english_lowercase"):
            # langdetect takes text in capitals for English whatever it is; so only English text is asked of it.
            cases += [(name, {}, t, None if code == "en" else False) for t in (text, text.upper(), text.lower())]
    got = ask([{"check": {"type": name, **arguments}, "answer": answer} for name, arguments, answer, _ in cases])
    for (name, arguments, answer, expected), result in zip(cases, got):
        instruction = INSTRUCTION_DICT[name](name)
        instruction.build_description(**arguments)
        if expected is None: expected = instruction.check_following(answer)
        assert result["passed"] == expected, (name, arguments, answer)


def test_ifeval_counts_equal_the_benchmarks_rules():
    """Sentences against IFEval's own rule-based splitter, words in capitals against str.isupper on plain words."""
    sentences = ["It rained.", "Dr. Smith came at 3.14 p.m.", "Why not?", "He left!", "I agree.", "See the U.S. report.",
                 "Mr. Brown met Mrs. Green.", "The end", "HELLO again.", "NASA and the EU agreed.", "A PLAN was made.", "Go to example.com now."]
    rng, cases = random.Random(8), []
    for _ in range(300):
        text = " ".join(rng.choice(sentences[:-1] if i else sentences) for i in range(rng.randint(1, 6)))
        number = rng.randint(1, 6)
        count = len(instructions_util.split_into_sentences(text))
        cases.append(({"type": "length_constraints:number_sentences", "num_sentences": number, "relation": "at least"}, text, count >= number))
        count = sum(word.isupper() for word in re.findall(r"[\w.]+", text))
        cases.append(({"type": "change_case:capital_word_frequency", "capital_frequency": number, "capital_relation": "less than"}, text, count < number))
    got = ask([{"check": check, "answer": text} for check, text, _ in cases])
    wrong = [(check, text, expected) for (check, text, expected), result in zip(cases, got) if result.get("passed") is not expected]
    assert len(wrong) <= len(cases) // 50, (len(wrong), wrong[:8])
