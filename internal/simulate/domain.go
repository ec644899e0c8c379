package simulate

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"dwell/internal/hunt"
)

// Kerberos, ntlm and software, the logs with names of hosts, users and programs; and intel, for indicators that Zeek
// looks for. Their randomness is separate, so that the other logs do not depend on them.

// realm is the site's domain in Kerberos notation.
func (e *engine) realm() string { return strings.ToUpper(e.sc.Domain) }

// user is the user of a host: "ws-007" belongs to "user-007".
func (h *host) user() string { return "user-" + strings.TrimPrefix(h.name, "ws-") }

// answered reports whether Zeek saw an answer, so that there is something to log.
func (e *engine) answered(c *Connection) bool {
	return c != nil && !e.onlyConnections && c.State != "S0" && c.State != "REJ"
}

// ticket logs a host's request to the domain controller: first for itself or its user, then for a service.
func (e *engine) ticket(c *Connection, h *host, turn int) {
	if !e.answered(c) {
		return
	}
	d := e.names
	client := strings.ToUpper(h.name) + "$"
	if within(h.at, c.Start) && d.chance(0.5) {
		client = h.user()
	}
	r := &kerberosRecord{conn: c, ts: c.Start + millisecond, kind: "AS", client: client + "/" + e.realm(), service: "krbtgt/" + e.realm(),
		till: c.Start + 10*hour, success: true}
	if turn > 0 {
		r.kind, r.service = "TGS", []string{"ldap/dc-1.", "cifs/files-1.", "host/" + h.name + "."}[d.IntN(3)]+e.sc.Domain
	}
	if r.kind == "AS" && d.chance(0.05) {
		r.success, r.problem = false, "KDC_ERR_PREAUTH_REQUIRED"
	}
	e.put(KerberosLog, c.Start+c.Duration, r)
}

// logon logs an old program that authenticates by NTLM.
func (e *engine) logon(c *Connection, h, server *host) {
	if e.answered(c) {
		short, _, _ := strings.Cut(e.sc.Domain, ".")
		e.put(NTLMLog, c.Start+30*millisecond, &ntlmRecord{conn: c, ts: c.Start + 20*millisecond, user: h.user(), host: strings.ToUpper(h.name),
			domain: strings.ToUpper(short), server: strings.ToUpper(server.name), serverName: server.name + "." + e.sc.Domain, tree: e.sc.Domain})
	}
}

// program logs the program of a user agent, once a day per host.
func (e *engine) program(c *Connection, agent string) {
	key := c.Src.String() + " " + agent
	if agent == "" || !c.LocalOrig || e.programs[key] > c.Start {
		return
	}
	e.programs[key] = c.Start + day
	e.put(SoftwareLog, c.Start+c.Duration, &softwareRecord{ts: c.Start + 3*millisecond, host: c.Src, kind: "HTTP::BROWSER", text: agent})
}

// listed logs a hit of the site's Zeek intelligence framework.
func (e *engine) listed(c *Connection, b *Talker, indicator string) {
	if b.Intel == "" || !e.answered(c) {
		return
	}
	kind, where := "Intel::DOMAIN", "SSL::IN_SERVER_NAME"
	switch {
	case indicator == "":
		indicator, kind, where = c.Dst.String(), "Intel::ADDR", "Conn::IN_RESP"
	case c.Proto == hunt.UDP:
		where = "DNS::IN_REQUEST"
	case c.Service == "http":
		where = "HTTP::IN_HOST_HEADER"
	}
	e.put(IntelLog, c.Start+c.Duration, &intelRecord{conn: c, ts: c.Start + 5*millisecond, indicator: indicator, kind: kind, where: where, list: b.Intel})
}

type kerberosRecord struct {
	conn            *Connection
	ts, till        micros
	kind            string
	client, service string
	success         bool
	problem         string
}

func (r *kerberosRecord) fields(l *line) {
	l.moment("ts", r.ts)
	l.text("uid", r.conn.UID)
	r.conn.ends(l)
	l.text("request_type", r.kind)
	l.text("client", r.client)
	l.text("service", r.service)
	l.truth("success", r.success)
	l.text("error_msg", r.problem)
	l.seconds("from", "time", 0, false)
	l.seconds("till", "time", r.till, r.success)
	cipher := ""
	if r.success {
		cipher = "aes256-cts-hmac-sha1-96"
	}
	l.text("cipher", cipher)
	l.truth("forwardable", true)
	l.truth("renewable", true)
	l.text("client_cert_subject", "")
	l.text("client_cert_fuid", "")
	l.text("server_cert_subject", "")
	l.text("server_cert_fuid", "")
}

type ntlmRecord struct {
	conn               *Connection
	ts                 micros
	user, host, domain string
	server, serverName string
	tree               string
}

func (r *ntlmRecord) fields(l *line) {
	l.moment("ts", r.ts)
	l.text("uid", r.conn.UID)
	r.conn.ends(l)
	l.text("username", r.user)
	l.text("hostname", r.host)
	l.text("domainname", r.domain)
	l.text("server_nb_computer_name", r.server)
	l.text("server_dns_computer_name", r.serverName)
	l.text("server_tree_name", r.tree)
	l.truth("success", true)
}

type softwareRecord struct {
	ts   micros
	host netip.Addr
	kind string
	// text is the user agent; its last word with a version is the program.
	text string
}

func (r *softwareRecord) fields(l *line) {
	name, version := product(r.text)
	part := [3]int64{Absent, Absent, Absent}
	for i, text := range strings.SplitN(version, ".", len(part)) {
		digits := text[:len(text)-len(strings.TrimLeftFunc(text, unicode.IsDigit))]
		if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
			part[i] = n
		}
	}
	l.moment("ts", r.ts)
	l.addr("host", r.host)
	if l.column("host_p", "port", false) {
		l.buf = append(l.buf, '0') // a client program has no port
	}
	l.word("software_type", "enum", r.kind)
	l.text("name", name)
	l.number("version.major", part[0])
	l.number("version.minor", part[1])
	l.number("version.minor2", part[2])
	l.number("version.minor3", Absent)
	l.text("version.addl", "")
	l.text("unparsed_version", r.text)
}

// product is the program of a user agent: for browsers, which all name others too, their own; else the last word of the
// form name/version, else the first word.
func product(agent string) (name, version string) {
	words := append(strings.Fields(agent), "") // an empty agent has no name
	for _, browser := range []string{"Edg/", "Firefox/", "Chrome/", "Version/"} {
		for _, w := range words {
			if version, ok := strings.CutPrefix(w, browser); ok {
				return strings.Replace(browser[:len(browser)-1], "Version", "Safari", 1), version
			}
		}
	}
	for _, w := range slices.Backward(words) {
		if name, version, ok := strings.Cut(w, "/"); ok && name != "" && version != "" {
			return name, version
		}
	}
	return words[0], ""
}

type intelRecord struct {
	conn            *Connection
	ts              micros
	indicator, kind string
	where, list     string
}

func (r *intelRecord) fields(l *line) {
	l.moment("ts", r.ts)
	l.text("uid", r.conn.UID)
	r.conn.ends(l)
	l.text("seen.indicator", r.indicator)
	l.word("seen.indicator_type", "enum", r.kind)
	l.word("seen.where", "enum", r.where)
	l.text("seen.node", "zeek")
	l.list("matched", "set[enum]", []string{r.kind})
	l.list("sources", "set[string]", []string{r.list})
	l.text("fuid", "")
	l.text("file_mime_type", "")
	l.text("file_desc", "")
}
