package zeek

import (
	"path/filepath"
	"regexp"
	"strings"
)

// Kind is one of Zeek's logs, by the name that Zeek gives it in #path: "conn", "http", "dns".
type Kind string

// The kinds that stand for connections. OpenConn and ConnLong hold connections that had not ended when they were
// logged (packages zeek-open-connections and zeek-long-connections).
const (
	Conn     Kind = "conn"
	OpenConn Kind = "open_conn"
	ConnLong Kind = "conn_long"
)

// The kinds that say what a connection was about, and which machine took part.
const (
	HTTPLog  Kind = "http"
	OpenHTTP Kind = "open_http"
	SSLLog   Kind = "ssl"
	OpenSSL  Kind = "open_ssl"
	DNSLog   Kind = "dns"
	X509     Kind = "x509"
	DHCP     Kind = "dhcp"
	Weird    Kind = "weird"
	Notice   Kind = "notice"
	Intel    Kind = "intel"
	Files    Kind = "files"
	Software Kind = "software"
	Kerberos Kind = "kerberos"
	NTLM     Kind = "ntlm"
)

// The kinds that say how much Zeek did not see.
const (
	CaptureLoss Kind = "capture_loss"
	Stats       Kind = "stats"
)

// otherKind stands for every log that is not read.
const otherKind Kind = "other"

// pathKind names the log that a record says it belongs to, without keeping the text.
func pathKind(b []byte) Kind {
	for _, k := range [...]Kind{Conn, HTTPLog, SSLLog, DNSLog, Files, Weird, X509, OpenConn, ConnLong, OpenHTTP, OpenSSL, DHCP, Notice, Intel,
		Software, Kerberos, NTLM, CaptureLoss, Stats} {
		if string(b) == string(k) {
			return k
		}
	}
	return otherKind
}

// Open says whether the log repeats what belongs to connections that are still open.
func (k Kind) Open() bool { return k.closed() != k }

// closed is the log in which the same records stand when their connections have ended. Logs of open connections often
// call themselves by that name.
func (k Kind) closed() Kind {
	switch k {
	case OpenConn, ConnLong:
		return Conn
	case OpenHTTP:
		return HTTPLog
	case OpenSSL:
		return SSLLog
	}
	return k
}

// of is the kind of a record that says it belongs to path, in a file of kind k: one of the two if they agree, or
// otherKind. Records need not say anything.
func (k Kind) of(path Kind) Kind {
	switch {
	case path == "" || path == k || path == k.closed():
		return k
	case path.closed() == k:
		return path
	}
	return otherKind
}

// holdsConnections says whether records of this kind can stand for connections.
func (k Kind) holdsConnections() bool {
	switch k {
	case Conn, OpenConn, ConnLong, HTTPLog, SSLLog:
		return true
	}
	return false
}

// stem takes a log's name apart: the log's kind, then what rotation adds (a time, a range of times), then extensions.
// conn.log, conn.00:00:00-01:00:00.log.gz, conn_20240419_10:00:00.log.gz, conn.log.labeled and conn.json are conn
// logs by name; conn-summary.log and conn_red.log are not, nor is what is still being written (conn.log.gz.tmp).
var stem = regexp.MustCompile(`^([a-z][a-z0-9-]*(?:_[a-z][a-z0-9]*)*)(?:[._-]+\d[^/]*)?\.(?:log|json|ndjson|tsv)(?:\.[a-z0-9]+)*$`)

// kindOfName is the kind that a file's name promises, or empty when it is not named as Zeek names its logs.
func kindOfName(path string) Kind {
	name := strings.ToLower(filepath.Base(path))
	m := stem.FindStringSubmatch(name)
	if m == nil || strings.HasSuffix(name, ".tmp") {
		return ""
	}
	return Kind(m[1])
}

// hintsAtConn says whether a file's name speaks of connections although it is no name that Zeek gives.
func hintsAtConn(path string) bool {
	return strings.Contains(strings.ToLower(filepath.Base(path)), "conn")
}
