package hunt

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A certificate signed by an unknown authority is not self-signed, but does not validate either.
func TestSelfSignedAndUnknownAuthority(t *testing.T) {
	for _, c := range []struct {
		subject, issuer, validation string
		self, odd                   bool
	}{
		{"", "", "", false, false},
		{"CN=a", "CN=b", "ok", false, false},
		{"CN=a", "CN=a", "", true, true},
		{"CN=a", "CN=a", "self signed certificate in certificate chain", true, true},
		{"", "", "self signed certificate", true, true},
		{"CN=a", "CN=b", "Self-Signed certificate", true, true},
		{"CN=a", "CN=b", "self-signed certificate in certificate chain", false, true},
		{"CN=a", "CN=b", "unable to get local issuer certificate", false, false},
		{"CN=a", "CN=b", "certificate has expired", false, true},
		{"CN=a", "CN=b", "certificate is not yet valid", false, true},
	} {
		require.Equal(t, c.self, SelfSigned(c.subject, c.issuer, c.validation), "%+v", c)
		require.Equal(t, c.odd, OddTLS("", c.subject, c.issuer, c.validation, 443), "without a server name: %+v", c)
		require.False(t, OddTLS("a.example", c.subject, c.issuer, c.validation, 443), "one oddity: %+v", c)
		require.Equal(t, c.odd, OddTLS("a.example", c.subject, c.issuer, c.validation, 22), "port of SSH: %+v", c)
	}
}
