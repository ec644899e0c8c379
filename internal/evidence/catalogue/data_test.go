package catalogue

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/publicsuffix"

	"dwell/internal/hunt"
	"dwell/scoring"
)

// Each source has an https URL and is used.
func TestSources(t *testing.T) {
	rows, err := reader(sources, 3).ReadAll()
	require.NoError(t, err)
	used := map[string]bool{}
	for text, column := range map[*[]byte]int{&services: 6, &owners: 2} {
		fields := ownFields
		if text == &owners {
			fields = ownerFields
		}
		lines, err := reader(*text, fields).ReadAll()
		require.NoError(t, err)
		for _, l := range lines {
			used[l[column]] = true
		}
	}
	for _, r := range rows {
		u, err := url.Parse(r[2])
		require.NoError(t, err, r[0])
		require.True(t, u.Scheme == "https" && strings.Contains(u.Host, "."), "%s: %s", r[0], r[2])
		require.NotEmpty(t, r[1], r[0])
		require.True(t, used[r[0]], "nothing is from %s", r[0])
	}
}

// No entry is a public suffix, of a registry or a company (under which anyone has names), or above one. Unconfirmed
// entries, and services open to everyone, are weak at most.
func TestNoEntryIsWide(t *testing.T) {
	for _, e := range load(t, "").Entries() {
		require.Contains(t, []string{"vendor", "lists", ""}, e.Checked, e.Match)
		if e.Checked == "" {
			require.Equal(t, scoring.Weak, e.Explains, "%s: nobody says so", e.Match)
		}
		if e.Match[0] == '@' {
			continue
		}
		require.Contains(t, e.Match, ".")
		suffix, icann := publicsuffix.PublicSuffix(e.Match)
		require.NotEqual(t, suffix, e.Match)
		if !icann {
			// Only Google assigns names under googleapis.com; it is on the public suffix list to separate cookies.
			require.True(t, suffix == "googleapis.com" || !strings.Contains(suffix, "."), "%s lies below %s, where anybody has names", e.Match, suffix)
		}
	}
}

// The widest network of each vendor, from the documents in sources.csv (checked by hand on 2026-11-25). A wider one
// would confirm names for other owners' addresses.
func TestNetworksAreNoWiderThanDocumented(t *testing.T) {
	widest := map[string][2]int{ // bits of IPv4, IPv6
		"apple": {8, 32}, "microsoft": {13, 36}, "meta": {14, 32}, "google": {15, 32}, "zoom": {16, 0}, "dropbox": {16, 0}, "webex": {16, 0},
		"netflix": {17, 0}, "twitter": {19, 0}, "valve": {19, 0}, "fortinet": {20, 0}, "github": {20, 0}, "canonical": {21, 0},
		"eset": {22, 0}, "cloudflare-dns": {24, 0}, "quad9": {24, 0},
	}
	rows, err := reader(owners, ownerFields).ReadAll()
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, r := range rows {
		require.Contains(t, []string{"vendor", "registry", "lists"}, r[3], r[1])
		require.False(t, seen[r[1]], "%s twice", r[1])
		seen[r[1]] = true
		if number, ok := strings.CutPrefix(r[1], "AS"); ok {
			_, err := strconv.Atoi(number)
			require.NoError(t, err)
			continue
		}
		p := netip.MustParsePrefix(r[1])
		bits := widest[r[0]][0]
		if p.Addr().Is6() {
			bits = widest[r[0]][1]
		}
		require.NotZero(t, bits, "%s: how wide may %s be?", r[1], r[0])
		require.GreaterOrEqual(t, p.Bits(), bits, r[1])
	}
}

// Networks where anyone can rent a server, from their owners' published lists, confirm no name.
func TestRentedAddressesBelongToNobody(t *testing.T) {
	c := load(t, "")
	for address, what := range map[string]string{
		"13.107.246.40": "Azure Front Door (AzureFrontDoor.Frontend)", "20.54.24.69": "Azure, though Windows Update stands there now", "52.178.17.2": "Azure",
		"35.186.224.25": "Google Cloud", "34.64.0.1": "Google Cloud", "52.95.110.1": "AWS", "13.32.0.1": "CloudFront", "104.16.0.1": "Cloudflare",
		"151.101.1.1": "Fastly", "23.32.0.1": "Akamai", "185.199.108.153": "GitHub Pages", "87.229.72.1": "a hoster (AS60071)",
		"2a06:98c1::1": "Cloudflare", "2600:9000::1": "CloudFront",
	} {
		a := netip.MustParseAddr(address)
		require.Empty(t, c.OwnerOf(netip.PrefixFrom(a, a.BitLen())), "%s: %s", address, what)
	}
	for _, number := range []int{60071, 8075, 15169, 396982, 16509, 13335, 54113, 20940} {
		require.Empty(t, c.OwnerOfAS(number), "AS%d rents out", number)
	}
	for _, rented := range []string{"d1.cloudfront.net", "x.azureedge.net", "x.azurewebsites.net", "x.blob.core.windows.net", "x.cloudapp.azure.com",
		"x.trafficmanager.net", "x.herokuapp.com", "x.workers.dev", "x.pages.dev", "x.amazonaws.com", "x.appspot.com", "x.web.app", "x.fastly.net",
		"x.akamaiedge.net", "x.github.io", "x.duckdns.org"} {
		require.Nil(t, c.Named(rented, 443, hunt.TCP), rented)
	}
}
