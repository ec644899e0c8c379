package log

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Kind is one of Zeek's logs, by its name in #path: "conn", "http", "dns".
type Kind string

// The kinds with connections. OpenConn and ConnLong have connections that had not ended when they were logged (packages
// zeek-open-connections and zeek-long-connections).
const (
	Conn     Kind = "conn"
	OpenConn Kind = "open_conn"
	ConnLong Kind = "conn_long"
)

// The kinds that say what a connection was about, and which host took part.
const (
	HTTPLog  Kind = "http"
	OpenHTTP Kind = "open_http"
	SSLLog   Kind = "ssl"
	OpenSSL  Kind = "open_ssl"
	QUIC     Kind = "quic"
	SOCKS    Kind = "socks"
	SSH      Kind = "ssh"
	RDP      Kind = "rdp"
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

// Other stands for records of an unknown log; suricata for records that are not Zeek's.
const (
	Other    Kind = "other"
	suricata Kind = "suricata"
)

// read are the kinds that some part of dwell reads.
var read = []Kind{Conn, HTTPLog, SSLLog, DNSLog, QUIC, SOCKS, SSH, RDP, Files, Weird, X509, OpenConn, ConnLong, OpenHTTP, OpenSSL, DHCP, Notice, Intel,
	Software, Kerberos, NTLM, CaptureLoss, Stats}

// unread are Zeek's other logs by name, so that none of them is taken for another log.
var unread = strings.Fields(`analyzer barnyard2 broker cluster cluster_leader config conn-summary console dce_rpc dnp3 dpd dga ecat_arp_info
	enip cip cip_io cip_identity failed_scans ftp irc known_certs known_hosts known_services known_devices known_modbus loaded_scripts ldap ldap_search
	mdns modbus modbus_register_change mqtt_connect mqtt_publish mqtt_subscribe mysql netcontrol netcontrol_drop netcontrol_shunt netcontrol_catch_release
	notice_alarm ntp ocsp openflow packet_filter pe postgresql print prof profinet profinet_dce_rpc radius redis reporter rfb s7comm signatures sip
	smb_cmd smb_files smb_mapping smtp smtp_links snmp stderr stdout syslog telemetry telemetry_histogram traceroute tunnel unified2 unknown_protocols
	websocket weird_stats wireguard ipsec stun stun_nat bacnet tds tftp ssdp llmnr nbns generic_dns_tunnels generic_icmp_tunnels vpn`)

// Messages are the logs that may have many records of one connection, each with its own time: what is sent in a
// connection that stays open. HTTP and DNS are read for more than that.
func Messages() []Kind {
	return []Kind{"mqtt_publish", "mqtt_subscribe", "mysql", "postgresql", "redis", "irc", "ftp", "smtp", "sip", "ldap", "ldap_search", "smb_cmd", "smb_files",
		"dce_rpc", "modbus", "dnp3", "snmp", "radius", "rfb", "tds"}
}

// known finds a kind by its name without keeping the text.
var known = func() map[string]Kind {
	out := map[string]Kind{"connection": Conn, "connections": Conn, "file": Files, "tls": SSLLog}
	for _, k := range read {
		out[string(k)] = k
	}
	for _, name := range unread {
		out[name] = Kind(name)
	}
	return out
}()

// reduced are the endings of logs that stand for many records in one.
var reduced = []string{"_agg", "-summary", "_stats"}

// pathKind is the log that a record names, without keeping the text; empty for an unknown name, such as "conn_eth1" and
// "office": their columns decide.
func pathKind(b []byte) Kind {
	if k, ok := known[string(b)]; ok {
		return k
	}
	name := strings.ToLower(string(b))
	name = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(name, "zeek."), "bro."), "corelight.")
	if k, ok := known[name]; ok {
		return k
	}
	for _, end := range reduced {
		if strings.HasSuffix(name, end) {
			return Other
		}
	}
	if k, ok := known[strings.TrimSuffix(name, "_red")]; ok { // Corelight's reduced logs
		return k
	}
	if module, _, ok := strings.Cut(name, "."); ok && (module == "suricata" || module == "system" || module == "elastic_agent") {
		return Other
	}
	return ""
}

// Open says whether the log repeats what belongs to connections that are still open.
func (k Kind) Open() bool { return k.Closed() != k }

// Closed is the log that has the same records when their connections have ended. Logs of open connections often call
// themselves by that name.
func (k Kind) Closed() Kind {
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

// settle is the kind of a record: its own name counts most, then names that only one log has, then the file's name.
// Logs of open connections may call themselves conn.
func settle(named, path, mark Kind) Kind {
	k := path
	switch {
	case path == "" && mark != "" && (mark == Conn || named == "" || slices.Contains(read, named)):
		k = mark
	case path == "" && named != "":
		k = named
	case path == "":
		k = Other
	}
	if named.Open() && named.Closed() == k {
		return named
	}
	return k
}

// stem splits a log's name: the log's kind, then what rotation adds (a time, a range of times), then extensions.
var stem = regexp.MustCompile(`^([a-z][a-z0-9-]*(?:_[a-z][a-z0-9]*)*)(?:[._-]+\d[^/]*)?\.(?:log|json|ndjson|tsv)(?:\.[a-z0-9]+)*$`)

// kindOfName is the kind that a file's name promises, or empty. It decides only where the records do not, and which
// logs are of open connections.
func kindOfName(path string) Kind {
	name := strings.ToLower(filepath.Base(path))
	for _, k := range []Kind{OpenConn, ConnLong, OpenHTTP, OpenSSL} {
		if strings.Contains(name, string(k)) {
			return k
		}
	}
	if m := stem.FindStringSubmatch(name); m != nil {
		if slices.ContainsFunc(reduced, func(end string) bool { return strings.HasSuffix(m[1], end) }) {
			return Other
		}
		return known[strings.TrimSuffix(m[1], "_red")]
	}
	return ""
}
