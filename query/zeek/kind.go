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
	HTTP     Kind = "http"
	SSL      Kind = "ssl"
)

// otherKind stands for every log that holds no connections.
const otherKind Kind = "other"

// Open says whether the log repeats connections that are still open.
func (k Kind) Open() bool { return k == OpenConn || k == ConnLong }

// stem takes a log's name apart: the log's kind, then what rotation adds (a time, a range of times), then extensions.
// conn.log, conn.00:00:00-01:00:00.log.gz, conn_20240419_10:00:00.log.gz, conn.log.labeled and conn.json are conn
// logs by name; conn-summary.log and conn_red.log are not.
var stem = regexp.MustCompile(`^([a-z][a-z0-9-]*(?:_[a-z][a-z0-9]*)*)(?:[._-]\d[^/]*)?\.(?:log|json|ndjson|tsv)(?:\.[a-z0-9]+)*$`)

// kindOfName is the kind that a file's name promises, or empty when it is not named as Zeek names its logs.
func kindOfName(path string) Kind {
	m := stem.FindStringSubmatch(strings.ToLower(filepath.Base(path)))
	if m == nil {
		return ""
	}
	return Kind(m[1])
}

// hintsAtConn says whether a file's name speaks of connections although it is no name that Zeek gives.
func hintsAtConn(path string) bool {
	return strings.Contains(strings.ToLower(filepath.Base(path)), "conn")
}
