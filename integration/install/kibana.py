"""Plays Kibana's three answers that dwell asks for: a real one is not had here. It counts what it was sent."""
import http.server
import json


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
        self.answer({"success": True, "successCount": sent.count(b'"coreMigrationVersion"')})


http.server.HTTPServer(("127.0.0.1", 5601), Kibana).serve_forever()
