package hunt

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Expected values follow RFC 3986, 3.2.2 (host) and RFC 9110, 9.3.6 (CONNECT).
func TestHostName(t *testing.T) {
	for given, want := range map[string]string{
		"": "", ".": "", "example.com": "example.com", "EXAMPLE.com.": "example.com", "example.com:8080": "example.com",
		"Example.COM.:443": "example.com", "192.0.2.1": "192.0.2.1", "192.0.2.1:80": "192.0.2.1", "2001:db8::1": "2001:db8::1",
		"[2001:DB8::1]": "2001:db8::1", "[2001:db8::1]:443": "2001:db8::1", "[::ffff:192.0.2.1]:443": "192.0.2.1",
		"example.com:http": "example.com:http", "example.com:70000": "example.com:70000",
	} {
		require.Equal(t, want, HostName(given), given)
	}
}

func TestConnectTarget(t *testing.T) {
	for _, c := range []struct {
		uri, host, name string
		port            uint16
	}{
		{"c2.example:8443", "other.example", "c2.example", 8443},
		{"C2.Example.:443", "", "c2.example", 443},
		{"", "c2.example:444", "c2.example", 444},
		{"c2.example", "", "c2.example", 443},
		{"[2001:db8::1]:444", "", "2001:db8::1", 444},
		{"[2001:db8::1]", "", "2001:db8::1", 443},
		{"192.0.2.1:80", "", "192.0.2.1", 80},
		{"", "", "", 443},
	} {
		name, port := ConnectTarget(c.uri, c.host)
		require.Equal(t, c.name, name, c.uri)
		require.Equal(t, c.port, port, c.uri)
	}
}
