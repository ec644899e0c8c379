package hunt

import (
	"net/netip"
	"strconv"
	"strings"
)

// HostName brings a host, as a client wrote it, into one form: lower case, without port, brackets and final dot. Text
// that is an address stays one.
func HostName(s string) string {
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.Addr().Unmap().String()
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	if i := strings.LastIndexByte(s, ':'); i >= 0 && strings.IndexByte(s, ':') == i {
		if _, err := strconv.ParseUint(s[i+1:], 10, 16); err == nil {
			s = s[:i]
		}
	}
	return strings.TrimSuffix(strings.ToLower(s), ".")
}

// ProxyTarget is the host and port that a request to a proxy asks for: by CONNECT, or by a URI with scheme and host; ok says that it is
// one. A request with a whole URI counts only where whole is set.
func ProxyTarget(method, uri, host string, whole bool) (name string, port uint16, ok bool) {
	if strings.EqualFold(method, "CONNECT") {
		name, port = ConnectTarget(uri, host)
		return name, port, true
	}
	scheme, rest, found := strings.Cut(uri[:min(len(uri), 300)], "://")
	https := strings.EqualFold(scheme, "https")
	if !whole || !found || !https && !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "ftp") {
		return "", 0, false
	}
	if at := strings.IndexAny(rest, "/?#"); at >= 0 {
		rest = rest[:at]
	}
	if _, behind, ok := strings.Cut(rest, "@"); ok {
		rest = behind
	}
	if name, port = ConnectTarget(rest, ""); port == 443 && !https && !strings.HasSuffix(rest, ":443") {
		port = 80
	}
	return name, port, name != ""
}

// ConnectTarget is the host (see [HostName]) and port that an HTTP CONNECT asked for. They stand in the request's URI
// ("example.com:443"); the Host header counts where there is no URI. Without a port it is 443.
func ConnectTarget(uri, host string) (string, uint16) {
	target := uri
	if target == "" {
		target = host
	}
	name, port := target, uint16(443)
	if i := strings.LastIndexByte(target, ':'); i >= 0 && !strings.HasSuffix(target, "]") {
		if n, err := strconv.ParseUint(target[i+1:], 10, 16); err == nil {
			name, port = target[:i], uint16(n)
		}
	}
	return HostName(name), port
}
