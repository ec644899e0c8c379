"""Imitates the three Kibana APIs that dwell uses, because no real Kibana is available here. It rejects imports that Kibana's schema forbids."""
import http.server
import json

import objects


class Kibana(http.server.BaseHTTPRequestHandler):
    def answer(self, body):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def do_GET(self):
        self.answer({"status": {"overall": {"level": "available"}}})

    def do_DELETE(self):
        self.answer({})

    def do_POST(self):
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        # The file is one part of a form; its lines are the JSON objects.
        lines = [line for line in sent.splitlines() if line.startswith(b"{")]
        with open("imported.ndjson", "wb") as f:
            f.write(b"\n".join(lines) + b"\n")
        wrong = objects.check([json.loads(line) for line in lines])
        print("\n".join(wrong), end="\n" if wrong else "", flush=True)
        errors = [{"id": w, "type": "dashboard", "error": {"type": "unknown", "message": w}} for w in wrong]
        self.answer({"success": not errors, "successCount": len(lines), "errors": errors})


http.server.HTTPServer(("127.0.0.1", 5601), Kibana).serve_forever()
