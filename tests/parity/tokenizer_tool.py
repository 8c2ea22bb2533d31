"""A running tokenizer_tool: asks it about one vocabulary after the other."""
import json
import subprocess


class Tool:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"tokenizer_tool ended: {self.process.poll()}"
        answer = json.loads(line)
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer

    def open(self, path):
        return self.ask(open=str(path))

    def encode(self, texts, text=False):
        return self.ask(encode=texts, text=text)["ids"]

    def decode(self, ids, skip=False):
        return self.ask(decode=ids, skip=skip)["texts"]

    def stream(self, ids, skip=False):
        return "".join(self.ask(stream=ids, skip=skip)["parts"])

    def close(self):
        self.process.stdin.close()
        self.process.wait()
