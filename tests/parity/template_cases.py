"""Conversations and reference for the chat templates: jinja2, set up by Transformers itself.

What a template can meet: with and without system message, tools, calls and answers of tools, thinking, odd text.
"""
import datetime
import json

CLOCK = datetime.datetime(2024, 7, 26, 13, 5, 9)

TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "The weather in a town – \"now\" or later.\nSays °C.",
        "parameters": {"type": "object", "properties": {
            "town": {"type": "string", "description": "Name of the town"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": None},
            "days": {"type": "integer", "minimum": 0, "maximum": 7.5},
            "where": {"type": "object", "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}},
                      "required": ["lat"]},
            "tags": {"type": "array", "items": {"type": "string"}}},
            "required": ["town", "days"]},
        "return": {"type": "object", "description": "What is known"}}},
    {"type": "function", "function": {
        "name": "no_arguments", "description": "Takes <nothing> & says 'ok'.", "parameters": {"type": "object", "properties": {}}}},
]


def call(name, arguments, identifier="abcdefghi"):
    return {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}}


def turns(*pairs):
    return [{"role": role, "content": content} for role, content in pairs]


WEATHER = {"town": "Köln \"am\" Rhein", "days": 3, "share": 0.25, "yes": True, "none": None, "list": [1, "zwei"],
           "where": {"lat": 50.9, "lon": 7}}
CALLED = turns(("user", "Weather?")) + [
    {"role": "assistant", "content": "", "tool_calls": [call("get_weather", WEATHER)]},
    {"role": "tool", "name": "get_weather", "tool_call_id": "abcdefghi", "content": "{\"t\": 21.5}"},
]
LONG = "".join(f"Line {i}: Größe {i * i} – 日本語 {{{i}}}\n" for i in range(300))

# name: messages and options
CONVERSATIONS = {
    "question": dict(messages=turns(("user", "Hi there"))),
    "single turn": dict(messages=turns(("user", "Hi there"), ("assistant", "Hello! <b>How</b> 'are' \"you\" & co?"))),
    "with system": dict(messages=turns(("system", "Be brief."), ("user", "What is 2+2?"), ("assistant", "4"))),
    "multi turn": dict(messages=turns(("system", "S"), ("user", "one"), ("assistant", "eins"), ("user", "two"),
                                      ("assistant", "zwei"), ("user", "three"), ("assistant", "drei"))),
    "ends with a question": dict(messages=turns(("user", "one"), ("assistant", "eins"), ("user", "two"))),
    "unicode": dict(messages=turns(("user", "日本語 ÄÖ ½ ß İ ǆ\u200b\u00a0"), ("assistant", "ß 👍🏽 e\u0301 ﬁ \U00010400\u2028x"))),
    "empty system": dict(messages=turns(("system", ""), ("user", "Hi"), ("assistant", "Yes"))),
    "white space": dict(messages=turns(("system", " Be brief.\n"), ("user", " \tWhat?  \n\n"), ("assistant", "\n 4 \n"), ("user", "  "), ("assistant", "x\r\ny "))),
    "like jinja": dict(messages=turns(("user", "{{ messages }} {% if x %} {# no #} {% raw %}"), ("assistant", "}} %} {{ '{' }} \\n \\\\ %s {0}"))),
    "long": dict(messages=turns(("user", LONG), ("assistant", LONG))),
    "thinking": dict(messages=turns(("user", "q"), ("assistant", "<think>\nhm, so\n</think>\n\nyes"), ("user", "r"),
                                    ("assistant", "<think>\nand\n</think>\n\nno"))),
    "thinking on": dict(messages=turns(("user", "q"), ("assistant", "<think>\nhm\n</think>\n\nyes")), enable_thinking=True),
    "thinking off": dict(messages=turns(("user", "q"), ("assistant", "yes"), ("user", "r"), ("assistant", "no")), enable_thinking=False),
    "extra arguments": dict(messages=turns(("system", "S"), ("user", "q"), ("assistant", "a")),
                            extra={"reasoning_effort": "high", "thinking": True, "custom_tools": None, "date_string": "26 Jul 2024", "model_identity": "You are X."}),
    "arguments of older templates": dict(messages=turns(("system", "S"), ("user", "q"), ("assistant", "a")),
                                         extra={"functions": "[]", "datetime": "today", "custom_tools": TOOLS}),
    "tools": dict(messages=turns(("user", "Weather?"), ("assistant", "Where?")), tools=TOOLS),
    "a plain tool": dict(messages=turns(("system", "S"), ("user", "q"), ("assistant", "a")), tools=[
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": {
            "type": "object", "properties": {"x": {"type": "string", "description": "e"}}, "required": ["x"]}}}]),
    "tools and system": dict(messages=turns(("system", "Be brief."), ("user", "Weather?")), tools=TOOLS, enable_thinking=True),
    "a call": dict(messages=CALLED[:2], tools=TOOLS),
    "a call and its answer": dict(messages=CALLED, tools=TOOLS),
    "a call, its answer, an answer": dict(messages=CALLED + turns(("assistant", "It is 21.5 °C.")), tools=TOOLS),
    "a call with text, no definitions": dict(messages=turns(("system", "S"), ("user", "Weather?")) + [
        {"role": "assistant", "content": "I look.", "tool_calls": [call("get_weather", {"town": "Bonn"})]}] + CALLED[2:] + turns(
            ("assistant", "21.5"), ("user", "Thanks"), ("assistant", "Welcome"))),
    "two calls": dict(messages=turns(("user", "Both?")) + [
        {"role": "assistant", "content": "", "tool_calls": [call("get_weather", {"town": "Bonn", "days": 1}, "123456789"),
                                                            call("no_arguments", {}, "987654321")]},
        {"role": "tool", "name": "get_weather", "tool_call_id": "123456789", "content": "rain"},
        {"role": "tool", "name": "no_arguments", "tool_call_id": "987654321", "content": "ok"},
        {"role": "assistant", "content": "Rain, ok."}], tools=TOOLS),
    "arguments as text": dict(messages=turns(("user", "Weather?")) + [
        {"role": "assistant", "content": "", "tool_calls": [call("get_weather", json.dumps({"town": "Bonn"}))]}], tools=TOOLS),
}


def reference_template(source):
    """jinja2 as Transformers sets it up, its clock stopped."""
    from transformers.utils import chat_template_utils as utils
    template = getattr(utils._cached_compile_jinja_template, "__wrapped__", utils._cached_compile_jinja_template)(source)
    template.environment.globals["strftime_now"] = CLOCK.strftime
    template.globals["strftime_now"] = CLOCK.strftime
    return template


def reference_render(template, row, bos="<s>", eos="</s>"):
    from transformers.utils import chat_template_utils as utils
    options = dict(row.get("extra", {}))
    if "enable_thinking" in row:
        options["enable_thinking"] = row["enable_thinking"]
    messages = utils._alias_reasoning_fields(utils._normalize_chat_messages(row["messages"]))
    return template.render(**{"bos_token": bos, "eos_token": eos, **options}, messages=messages, tools=row.get("tools"),
                           documents=None, add_generation_prompt=row.get("add_generation_prompt", False))
