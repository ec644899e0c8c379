package hunt

import (
	"net/netip"
	"strconv"
	"strings"
)

// HostName normalizes a host as a client wrote it: lower case, without port, brackets and final dot. An address stays
// one.
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

// ProxyTarget is the host and port requested from a proxy, by CONNECT or by a URI with scheme and host; ok reports
// whether the request is one. A request with a whole URI counts only if whole is set.
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

// ConnectTarget is the host (see [HostName]) and port of an HTTP CONNECT, from its URI ("example.com:443") or, without
// one, from the Host header. The default port is 443.
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
