package output

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"dwell/internal/hunt"
)

// TestReportIsOnePageAndHarmless parses the page as a browser does: names that attackers choose stay text, and nothing is
// run or fetched.
func TestReportIsOnePageAndHarmless(t *testing.T) {
	evil := `</td><script>alert(1)</script><img src=x onerror=alert(1)>"'` + hostile
	f := sample(evil)
	f.Dwell.Pair, f.Dwell.Modifiers = "10.1.4.22>"+evil, []hunt.Modifier{{Name: evil, Value: 0.15, Reason: evil}}
	f.Dwell.Links = &hunt.Links{SOCHunt: "javascript:alert(1)"}
	doc := hunt.Document{}
	doc.Dwell.Hunt.Gaps, doc.Dwell.Hunt.Notes, doc.Dwell.Hunt.Connections = []string{evil}, []string{evil}, 123456
	page := printed(t, Options{Format: HTML, Hunt: &doc}, f, sample("plain.example"))
	for _, bad := range []string{"\x1b", "\x07", "\u202e", "\xff"} {
		require.NotContains(t, page, bad)
	}
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	known := regexp.MustCompile(`^(html|head|meta|title|style|body|h1|h2|p|b|div|ul|ol|li|details|summary|table|thead|tbody|tr|th|td|a|span|section|svg|rect|code)$`)
	text := ""
	for n := range root.Descendants() {
		if n.Type == html.TextNode {
			text += n.Data
		}
		if n.Type != html.ElementNode {
			continue
		}
		require.Regexp(t, known, n.Data)
		for _, a := range n.Attr {
			require.NotRegexp(t, `^(on|src|style)`, a.Key)
			if a.Key == "href" {
				require.Regexp(t, `^#f\d+$`, a.Val, "links stay on the page")
			}
		}
	}
	require.Contains(t, text, `</td><script>alert(1)</script>`, "it is shown as it was")
	require.Contains(t, text, "123,456 connections")
	require.Contains(t, text, "Incomplete.")
	require.NotContains(t, strings.ReplaceAll(page, "&#39;", ""), "url(")
	require.Contains(t, printed(t, Options{Format: HTML}), "No findings")
}
