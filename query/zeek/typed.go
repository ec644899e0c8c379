package zeek

import (
	"context"
	"net/netip"

	"dwell/internal/hunt"
)

// Flow is what http, ssl and dns records say about their connection.
type Flow struct {
	// Start is the record's own ts, Unix milliseconds: later than its connection's start.
	Start int64
	// UID names the connection; several records may share it.
	UID              hunt.UID
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16
	// Open says that the record's connection was still open when it was logged.
	Open bool
}

// HTTP is one request with its response. Texts are as the client sent them, of any length and content.
type HTTP struct {
	Flow
	Method, Host, URI, UserAgent, Referrer string
	// Status is the response's code, Depth the request's place in its connection from 1 on, or hunt.Absent.
	Status, Depth int64
	// RequestBytes and ResponseBytes are body lengths, or hunt.Absent.
	RequestBytes, ResponseBytes int64
	// Proxied says that headers of the request speak of a proxy.
	Proxied bool
	// MIME is the type of the response's first file as Zeek sees it.
	MIME string
}

// SSL is one TLS handshake.
type SSL struct {
	Flow
	Version, Cipher, ServerName, NextProtocol string
	JA3, JA3S, JA4, JA4S                      string
	// Subject and Issuer are the server certificate's; absent in TLS 1.3, which hides it.
	Subject, Issuer string
	// Validation is what became of checking the certificate: "ok", "self signed certificate", or empty when unchecked.
	Validation string
	// Fingerprints are SHA-256 (or, of older Zeeks, SHA-1) of the server's certificates, its own first.
	Fingerprints         []string
	Established, Resumed bool
}

// DNS is one query with its response.
type DNS struct {
	Flow
	Proto hunt.Transport
	Query string
	// Type and RCode are names ("A", "NXDOMAIN"); RCode is empty when no response was seen.
	Type, RCode string
	Answers     []string
	// RTT is milliseconds, cut, or hunt.Absent.
	RTT      int64
	Rejected bool
}

// ReadHTTP calls emit with batches of HTTP requests, from several goroutines at once; the batch is reused, the texts
// may be kept. Kinds and Fields of the query are set here.
func ReadHTTP(ctx context.Context, q Query, emit func([]HTTP) error) (Outcome, error) {
	q.Kinds = []Kind{HTTPLog, OpenHTTP}
	q.Fields = append(flowFields(), "method", "host", "uri", "user_agent", "referrer", "status_code", "trans_depth",
		"request_body_len", "response_body_len", "proxied", "resp_mime_types")
	return typed(ctx, q, emit, func(r *Record, w words, h *HTTP) {
		*h = HTTP{Flow: flow(r), Method: w.keep(r.Text("method")), Host: w.keep(r.Text("host")), URI: string(r.Text("uri")),
			UserAgent: w.keep(r.Text("user_agent")), Referrer: string(r.Text("referrer")),
			Status: r.Count("status_code"), Depth: r.Count("trans_depth"),
			RequestBytes: r.Count("request_body_len"), ResponseBytes: r.Count("response_body_len"), Proxied: r.Has("proxied")}
		for mime := range r.List("resp_mime_types") {
			h.MIME = w.keep(mime)
			break
		}
	})
}

// ReadSSL is ReadHTTP for TLS handshakes.
func ReadSSL(ctx context.Context, q Query, emit func([]SSL) error) (Outcome, error) {
	q.Kinds = []Kind{SSLLog, OpenSSL}
	q.Fields = append(flowFields(), "version", "cipher", "server_name", "next_protocol", "ja3", "ja3s", "ja4", "ja4s", "subject",
		"issuer", "validation_status", "cert_chain_fps", "resp_certificate_sha1", "established", "resumed")
	return typed(ctx, q, emit, func(r *Record, w words, s *SSL) {
		*s = SSL{Flow: flow(r), Version: w.keep(r.Text("version")), Cipher: w.keep(r.Text("cipher")),
			ServerName: w.keep(r.Text("server_name")), NextProtocol: w.keep(r.Text("next_protocol")),
			JA3: w.keep(r.Text("ja3")), JA3S: w.keep(r.Text("ja3s")), JA4: w.keep(r.Text("ja4")), JA4S: w.keep(r.Text("ja4s")),
			Subject: w.keep(r.Text("subject")), Issuer: w.keep(r.Text("issuer")), Validation: w.keep(r.Text("validation_status")),
			Established: r.True("established"), Resumed: r.True("resumed")}
		chain := "cert_chain_fps"
		if !r.Has(chain) {
			chain = "resp_certificate_sha1"
		}
		for fp := range r.List(chain) {
			s.Fingerprints = append(s.Fingerprints, w.keep(fp))
		}
	})
}

// ReadDNS is ReadHTTP for DNS queries.
func ReadDNS(ctx context.Context, q Query, emit func([]DNS) error) (Outcome, error) {
	q.Kinds = []Kind{DNSLog}
	q.Fields = append(flowFields(), "proto", "query", "qtype_name", "rcode_name", "answers", "rtt", "rejected")
	return typed(ctx, q, emit, func(r *Record, w words, d *DNS) {
		*d = DNS{Flow: flow(r), Proto: parseProto(r.Text("proto")), Query: w.keep(r.Text("query")), Type: w.keep(r.Text("qtype_name")),
			RCode: w.keep(r.Text("rcode_name")), RTT: r.Duration("rtt"), Rejected: r.True("rejected")}
		for a := range r.List("answers") {
			d.Answers = append(d.Answers, string(a))
		}
	})
}

func flowFields() []string { return []string{"id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p"} }

func flow(r *Record) Flow {
	return Flow{Start: r.Start, UID: r.UID, Src: r.Addr("id.orig_h"), SrcPort: r.Port("id.orig_p"),
		Dst: r.Addr("id.resp_h"), DstPort: r.Port("id.resp_p"), Open: r.Kind.Open()}
}

// words keeps one copy of texts that come again and again.
type words map[string]string

// maxWords bounds what a hostile network can make us hold.
const maxWords = 1 << 16

func (w words) keep(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, ok := w[string(b)]; ok {
		return s
	}
	if len(w) >= maxWords {
		clear(w)
	}
	s := string(b)
	w[s] = s
	return s
}

// typed gathers records into batches of T, one batch for each goroutine.
func typed[T any](ctx context.Context, q Query, emit func([]T) error, fill func(*Record, words, *T)) (Outcome, error) {
	return records(ctx, q, func() recordTaker {
		w := words{}
		batch := make([]T, 0, batchSize)
		flush := func() error {
			if len(batch) == 0 {
				return nil
			}
			err := emit(batch)
			batch = batch[:0]
			return err
		}
		take := func(r *Record) error {
			batch = batch[:len(batch)+1]
			fill(r, w, &batch[len(batch)-1])
			if len(batch) == cap(batch) {
				return flush()
			}
			return nil
		}
		return recordTaker{take: take, flush: flush}
	})
}
