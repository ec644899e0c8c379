package simulate

import (
	"crypto/md5"  //nolint:gosec // JA3 is an MD5 by its definition.
	"crypto/sha1" //nolint:gosec // Zeek logs this hash of files.
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// hello is the visible part of a TLS handshake. Without a certificate it is TLS 1.3, which encrypts it.
type hello struct {
	name           string
	next           string
	ja3, ja3s, ja4 string
	cert           *certificate
}

// certificate is a server's.
type certificate struct {
	fingerprint, serial string
	subject, issuer     string
	names               []string
	from, to            micros
	selfSigned          bool
}

// request is what the requests of an HTTP connection have in common.
type request struct {
	method, host, agent string
	uri                 string
	mime                string
	// most is the maximum number of requests per connection.
	most int
	// each, if set, is the exact number.
	each int
}

// fingerprint derives n hexadecimal digits from a text.
func fingerprint(n int, text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:n]
}

// ja3 and ja4 are the fingerprints of a program's TLS hello: invented, but well-formed, and the same on every host.
func ja3(program string) string {
	sum := md5.Sum([]byte("ja3 " + program)) //nolint:gosec // See the import.
	return hex.EncodeToString(sum[:])
}

func ja4(program, next string) string {
	if next == "" {
		next = "00"
	}
	n := len(program) % 8
	return fmt.Sprintf("t13d%02d%02d%s_%s_%s", 10+n, 8+n, next[:2], fingerprint(12, "a "+program), fingerprint(12, "b "+program))
}

// newCertificate makes the certificate of a name.
func (w *world) newCertificate(name string, issuer int, from micros, selfSigned bool) *certificate {
	key := fmt.Sprintf("%d certificate %s %d", w.sc.Seed, name, issuer)
	c := &certificate{fingerprint: fingerprint(64, key), serial: strings.ToUpper(fingerprint(32, "serial "+key)), subject: "CN=" + name,
		issuer: issuers()[issuer], names: []string{name}, from: from, to: from + 90*day, selfSigned: selfSigned}
	if selfSigned {
		c.issuer, c.names, c.to = c.subject, nil, from+3650*day
	}
	return c
}

// program is a host's browser, agent its user agent.
func (h *host) program() string { return "browser " + h.system.String() }

func (h *host) agent() string {
	switch h.system {
	case macos:
		return "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15"
	case linux:
		return "Mozilla/5.0 (X11; Linux x86_64; rv:135.0) Gecko/20100101 Firefox/135.0"
	case windows:
	}
	return "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36"
}

// seen logs what Zeek sees inside an answered connection.
func (e *engine) seen(c *Connection, f *flow) {
	if e.onlyConnections || c.State == "S0" || c.State == "REJ" {
		return
	}
	d := e.details
	first := c.Start + min(c.Duration/4, d.between(4*millisecond, 60*millisecond))
	if f.socks != nil {
		e.put(SOCKSLog, first, &socksRecord{conn: c, ts: first, asked: f.socks})
	}
	if f.request != nil {
		e.http(c, f, first)
	}
	if f.hello != nil {
		e.tls(c, f.hello, first)
	}
	if c.Proto.String() == "tcp" && d.chance(0.003) {
		odd := []string{"inappropriate_FIN", "window_recision", "data_before_established", "TCP_ack_underflow_or_misorder", "connection_originator_SYN_ack"}
		e.put(WeirdLog, first, &weirdRecord{conn: c, ts: first, name: odd[d.IntN(len(odd))]})
	}
}

func (e *engine) tls(c *Connection, h *hello, t micros) {
	d := e.details
	r := &sslRecord{conn: c, ts: t, hello: h, curve: "x25519", resumed: h.cert != nil && d.chance(0.2)}
	e.put(SSLLog, t+d.between(5*millisecond, 40*millisecond), r)
	cert := h.cert
	if cert == nil || r.resumed {
		return
	}
	// Zeek logs a certificate once a day, however often it appears.
	if e.certs[cert.fingerprint] <= t {
		e.certs[cert.fingerprint] = t + day
		e.put(X509Log, t+2*millisecond, &x509Record{ts: t + 2*millisecond, cert: cert})
	}
	key := c.Dst.String() + " " + cert.fingerprint
	if cert.selfSigned && e.warned[key] <= t {
		e.warned[key] = t + hour
		e.put(NoticeLog, t+4*millisecond, &noticeRecord{conn: c, ts: t + 4*millisecond, note: "SSL::Invalid_Server_Cert",
			message: "SSL certificate validation failed with (self signed certificate)", sub: cert.subject})
	}
}

func (e *engine) http(c *Connection, f *flow, t micros) {
	d := e.details
	q := f.request
	e.program(c, q.agent)
	n := int64(1)
	if q.most > 1 {
		n += int64(d.IntN(q.most))
	}
	n = max(n, int64(q.each))
	step := max((c.Start+c.Duration-t)/(n+1), 1)
	for i := range n {
		r := &httpRecord{conn: c, ts: t, depth: i + 1, request: q, uri: q.uri, in: max((c.RespBytes/n)-260, 0), status: 200, message: "OK", inMIME: q.mime}
		if r.uri == "" {
			r.uri = "/" + siteWords[1][d.IntN(len(siteWords[1]))] + "/" + d.hex(6) + []string{".html", ".js", ".png", "", ".json"}[d.IntN(5)]
		}
		if i > 0 {
			r.referrer = "http://" + q.host + "/"
		}
		if q.method == "POST" {
			r.out, r.outFUID, r.outMIME = max(c.OrigBytes/n-240, 1), d.id('F'), "application/octet-stream"
			e.file(c, t, r.outFUID, r.outMIME, r.out, true)
		}
		switch {
		case q.method == "CONNECT":
			r.message, r.in = "Connection established", 0
		case d.chance(0.03):
			r.status, r.message, r.in = 304, "Not Modified", 0
		}
		if r.in == 0 {
			r.inMIME = ""
		} else {
			r.inFUID = d.id('F')
			e.file(c, t+millisecond, r.inFUID, r.inMIME, r.in, false)
		}
		e.put(HTTPLog, t+2*millisecond, r)
		t += step
	}
}

func (e *engine) file(c *Connection, t micros, fuid, mime string, size int64, fromOrig bool) {
	sum := sha1.Sum([]byte(fuid)) //nolint:gosec // See the import.
	e.put(FilesLog, t+millisecond, &fileRecord{conn: c, ts: t, fuid: fuid, mime: mime, size: size, fromOrig: fromOrig,
		took: e.details.between(0, 900), md5: ja3(fuid), sha1: hex.EncodeToString(sum[:])})
}

// addLeases simulates a host's DHCP with the domain controller: all four messages when it is switched on, and a renewal
// at half of the lease.
func (e *engine) addLeases(h *host) {
	const leaseTime = 8 * hour
	server := e.servers[dc1]
	talk := func(c *chore, e *engine, t micros) {
		d := c.d
		fresh := c.turns == 0 || !within(h.on, t-leaseTime/2)
		f := flow{from: h, dst: server.addr, sport: 68, dport: 67, proto: udp, service: "dhcp", start: t, dur: d.between(millisecond, 30*millisecond), out: 300, in: 300}
		r := &dhcpRecord{ts: t, client: h.addr, server: server.addr, mac: h.mac, name: h.name, domain: e.sc.Domain, address: h.addr,
			lease: leaseTime, took: f.dur, messages: []string{"REQUEST", "ACK"}}
		if fresh {
			f.src, f.dst, f.out, f.in = v4(0), v4(0xFFFFFFFF), 600, 600
			r.requested, r.messages = h.addr, []string{"DISCOVER", "OFFER", "REQUEST", "ACK"}
		}
		if conn := e.send(d, f); conn != nil && !e.onlyConnections {
			r.uid = conn.UID
			e.put(DHCPLog, t+f.dur, r)
		}
	}
	e.chore("dhcp", h, chore{interval: every(leaseTime/2, 0.02), do: talk, atOnce: true})
}
