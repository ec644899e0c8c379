package simulate

import "net/netip"

// Each type is a line of the log of its name; its fields are the columns of Zeek 8 and those that Security Onion's
// policy adds.

type dnsRecord struct {
	conn  *Connection
	ts    micros
	q     question
	trans int64
	rtt   micros // Absent without an answer
}

func (r *dnsRecord) fields(l *line) {
	answered := r.rtt >= 0
	l.moment("ts", r.ts)
	l.text("uid", r.conn.UID)
	r.conn.ends(l)
	l.word("proto", "enum", r.conn.Proto.String())
	l.number("trans_id", r.trans)
	l.span("rtt", r.rtt, answered)
	l.text("query", r.q.name)
	l.number("qclass", 1)
	l.text("qclass_name", "C_INTERNET")
	l.number("qtype", int64(r.q.typ))
	l.text("qtype_name", typeName(r.q.typ))
	code, name := int64(0), "NOERROR"
	if r.q.missing {
		code, name = 3, "NXDOMAIN"
	}
	if !answered {
		code, name = Absent, ""
	}
	l.number("rcode", code)
	l.text("rcode_name", name)
	l.truth("AA", answered && r.q.local)
	l.truth("TC", false)
	l.truth("RD", true)
	l.truth("RA", answered)
	l.number("Z", 0)
	var answers []string
	var ttls []micros
	if answered && !r.q.missing && len(r.q.answers) > 0 {
		answers = r.q.answers
		for range answers {
			ttls = append(ttls, r.q.ttl*second)
		}
	}
	l.list("answers", "vector[string]", answers)
	l.spans("TTLs", ttls)
	l.truth("rejected", false)
}

type sslRecord struct {
	conn    *Connection
	ts      micros
	hello   *hello
	curve   string
	resumed bool
}

func (r *sslRecord) fields(l *line) {
	h := r.hello
	l.moment("ts", r.ts)
	l.text("uid", r.conn.UID)
	r.conn.ends(l)
	version, cipher, history := "TLSv13", "TLS_AES_128_GCM_SHA256", "CsiI"
	if h.cert != nil {
		version, cipher, history = "TLSv12", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "CsxknGIti"
	}
	l.text("version", version)
	l.text("cipher", cipher)
	l.text("curve", r.curve)
	l.text("server_name", h.name)
	l.truth("resumed", r.resumed)
	l.text("last_alert", "")
	l.text("next_protocol", h.next)
	l.truth("established", true)
	l.text("ssl_history", history)
	var chain, none []string
	var subject, issuer, valid string
	matches := false
	if c := h.cert; c != nil && !r.resumed {
		chain, none = []string{c.fingerprint}, []string{}
		subject, issuer, valid = c.subject, c.issuer, "ok"
		if c.selfSigned {
			valid = "self signed certificate"
		}
		matches = h.name != "" && !c.selfSigned
	}
	l.list("cert_chain_fps", "vector[string]", chain)
	l.list("client_cert_chain_fps", "vector[string]", none)
	l.text("subject", subject)
	l.text("issuer", issuer)
	if l.column("sni_matches_cert", "bool", chain != nil) {
		l.bool(matches)
	}
	l.text("validation_status", valid)
	l.text("ja3", h.ja3)
	l.text("ja3s", h.ja3s)
	l.text("ja4", h.ja4)
}

// socksAsked is what a proxy is asked for by SOCKS.
type socksAsked struct {
	name string
	port uint16
}

type socksRecord struct {
	conn  *Connection
	ts    micros
	asked *socksAsked
}

func (r *socksRecord) fields(l *line) {
	l.moment("ts", r.ts)
	l.text("uid", r.conn.UID)
	r.conn.ends(l)
	l.number("version", 5)
	l.text("user", "")
	l.text("password", "")
	l.text("status", "succeeded")
	l.addr("request.host", netip.Addr{})
	l.text("request.name", r.asked.name)
	l.port("request_p", r.asked.port)
	l.addr("bound.host", r.conn.Dst)
	l.text("bound.name", "")
	l.port("bound_p", r.conn.DstPort)
}

type httpRecord struct {
	conn          *Connection
	ts            micros
	depth         int64
	request       *request
	uri, referrer string
	out, in       int64
	status        int64
	message       string
	outFUID       string
	inFUID        string
	outMIME       string
	inMIME        string
}

func (r *httpRecord) fields(l *line) {
	l.moment("ts", r.ts)
	l.text("uid", r.conn.UID)
	r.conn.ends(l)
	l.number("trans_depth", r.depth)
	l.text("method", r.request.method)
	l.text("host", r.request.host)
	l.text("uri", r.uri)
	l.text("referrer", r.referrer)
	l.text("version", "1.1")
	l.text("user_agent", r.request.agent)
	l.text("origin", "")
	l.number("request_body_len", r.out)
	l.number("response_body_len", r.in)
	l.number("status_code", r.status)
	l.text("status_msg", r.message)
	l.number("info_code", Absent)
	l.text("info_msg", "")
	l.list("tags", "set[enum]", []string{})
	l.text("username", "")
	l.text("password", "")
	l.list("proxied", "set[string]", nil)
	one := func(s string) []string {
		if s == "" {
			return nil
		}
		return []string{s}
	}
	l.list("orig_fuids", "vector[string]", one(r.outFUID))
	l.list("orig_filenames", "vector[string]", nil)
	l.list("orig_mime_types", "vector[string]", one(r.outMIME))
	l.list("resp_fuids", "vector[string]", one(r.inFUID))
	l.list("resp_filenames", "vector[string]", nil)
	l.list("resp_mime_types", "vector[string]", one(r.inMIME))
}

type fileRecord struct {
	conn      *Connection
	ts        micros
	fuid      string
	mime      string
	size      int64
	fromOrig  bool
	took      micros
	md5, sha1 string
}

func (r *fileRecord) fields(l *line) {
	l.moment("ts", r.ts)
	l.text("fuid", r.fuid)
	l.text("uid", r.conn.UID)
	r.conn.ends(l)
	l.text("source", "HTTP")
	l.number("depth", 0)
	l.list("analyzers", "set[string]", []string{"MD5", "SHA1"})
	l.text("mime_type", r.mime)
	l.text("filename", "")
	l.span("duration", r.took, true)
	local := r.conn.LocalResp
	if r.fromOrig {
		local = r.conn.LocalOrig
	}
	l.truth("local_orig", local)
	l.truth("is_orig", r.fromOrig)
	l.number("seen_bytes", r.size)
	l.number("total_bytes", r.size)
	l.number("missing_bytes", 0)
	l.number("overflow_bytes", 0)
	l.truth("timedout", false)
	l.text("parent_fuid", "")
	l.text("md5", r.md5)
	l.text("sha1", r.sha1)
	l.text("sha256", "")
	l.text("extracted", "")
	if l.column("extracted_cutoff", "bool", false) {
		l.bool(false)
	}
	l.number("extracted_size", Absent)
}

type x509Record struct {
	ts   micros
	cert *certificate
}

func (r *x509Record) fields(l *line) {
	c := r.cert
	l.moment("ts", r.ts)
	l.text("fingerprint", c.fingerprint)
	l.number("certificate.version", 3)
	l.text("certificate.serial", c.serial)
	l.text("certificate.subject", c.subject)
	l.text("certificate.issuer", c.issuer)
	l.moment("certificate.not_valid_before", c.from)
	l.moment("certificate.not_valid_after", c.to)
	l.text("certificate.key_alg", "rsaEncryption")
	l.text("certificate.sig_alg", "sha256WithRSAEncryption")
	l.text("certificate.key_type", "rsa")
	l.number("certificate.key_length", 2048)
	l.text("certificate.exponent", "65537")
	l.text("certificate.curve", "")
	l.list("san.dns", "vector[string]", c.names)
	l.list("san.uri", "vector[string]", nil)
	l.list("san.email", "vector[string]", nil)
	l.list("san.ip", "vector[addr]", nil)
	l.truth("basic_constraints.ca", c.selfSigned)
	l.number("basic_constraints.path_length", Absent)
	l.truth("host_cert", true)
	l.truth("client_cert", false)
}

type dhcpRecord struct {
	ts                 micros
	uid                string
	client, server     netip.Addr
	mac, name, domain  string
	requested, address netip.Addr
	lease, took        micros
	messages           []string
}

func (r *dhcpRecord) fields(l *line) {
	l.moment("ts", r.ts)
	l.list("uids", "set[string]", []string{r.uid})
	l.addr("client_addr", r.client)
	l.addr("server_addr", r.server)
	l.text("mac", r.mac)
	l.text("host_name", r.name)
	l.text("client_fqdn", r.name+"."+r.domain)
	l.text("domain", r.domain)
	l.addr("requested_addr", r.requested)
	l.addr("assigned_addr", r.address)
	l.span("lease_time", r.lease, true)
	l.text("client_message", "")
	l.text("server_message", "")
	l.list("msg_types", "vector[string]", r.messages)
	l.span("duration", r.took, true)
}

type weirdRecord struct {
	conn       *Connection
	ts         micros
	name, more string
	source     string
}

func (r *weirdRecord) fields(l *line) {
	l.moment("ts", r.ts)
	l.text("uid", r.conn.UID)
	r.conn.ends(l)
	l.text("name", r.name)
	l.text("addl", r.more)
	l.truth("notice", false)
	l.text("peer", "zeek")
	l.text("source", r.source)
}

type noticeRecord struct {
	conn               *Connection
	ts                 micros
	note, message, sub string
}

func (r *noticeRecord) fields(l *line) {
	l.moment("ts", r.ts)
	l.text("uid", r.conn.UID)
	r.conn.ends(l)
	l.text("fuid", "")
	l.text("file_mime_type", "")
	l.text("file_desc", "")
	l.word("proto", "enum", r.conn.Proto.String())
	l.word("note", "enum", r.note)
	l.text("msg", r.message)
	l.text("sub", r.sub)
	l.addr("src", r.conn.Src)
	l.addr("dst", r.conn.Dst)
	l.port("p", r.conn.DstPort)
	l.number("n", Absent)
	l.text("peer_descr", "zeek")
	l.list("actions", "set[enum]", []string{"Notice::ACTION_LOG"})
	l.list("email_dest", "set[string]", []string{})
	l.span("suppress_for", hour, true)
}
