"""Data of bench/versus_trl.py: examples with a long prompt in common. The same bytes each time. Needs `tokenizers`."""
import json, os, random

WORDS = """answer apple bottle branch bridge camera castle circle copper corner desert dinner engine evening farmer finger flower forest
garden hammer harbor island jacket kitchen ladder lemon letter market meadow mirror monday morning mountain number office orange
paper pencil picture pocket potato rabbit ribbon river saddle school season shadow signal silver singer spring station summer table
teacher thunder ticket tunnel valley village violin wagon water window winter yellow""".split()


def sentences(rng, words):
    text = []
    while words > 0:
        n = min(words, rng.randint(6, 14))
        text.append(" ".join(rng.choices(WORDS, k=n)).capitalize() + ".")
        words -= n
    return " ".join(text)


def text_of(tokens, rng, count):
    """A text that is `tokens` tokens long, as `count` counts."""
    words = tokens
    text = sentences(rng, words)
    while count(text) > tokens:
        text = text[:text.rindex(" ")]
    while count(text) < tokens:
        text += " on"  # one token
    return text


def write_long_prompt(path, model_folder, rows, shared=600, question=90, answer=60):
    """`rows` chats: a system prompt that makes the common part `shared` tokens long, question and answer of their own."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(os.path.join(model_folder, "tokenizer.json"))
    count = lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
    rng = random.Random(1)
    # Around a turn stand <|im_start|>, the role, a line break, <|im_end|> and a line break: 5 tokens.
    system = text_of(shared - 8, rng, count)  # … and the 3 that begin the next turn
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(rows):
            messages = [{"role": "system", "content": system}, {"role": "user", "content": text_of(question - 2, rng, count)},
                        {"role": "assistant", "content": text_of(answer - 6, rng, count)}]
            file.write(json.dumps({"messages": messages}) + "\n")
