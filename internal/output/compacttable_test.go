package output

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// A broken rule matches, but does not safelist: the table must not hide the finding behind that word.
func TestBrokenRuleIsNotSafelisted(t *testing.T) {
	f := sample("cdn.example")
	f.Dwell.Disposition = hunt.Open
	f.Dwell.Safelist = &hunt.SafelistRule{Name: "cdn", Broken: "its certificate is another one now, 0a"}
	for _, width := range []int{80, fullWidth} {
		require.NotRegexp(t, `(?i)safelisted`, printed(t, Options{Format: Table, Width: width}, f))
	}
	f.Dwell.Safelist.Broken, f.Dwell.Safelisted = "", true
	for _, width := range []int{80, fullWidth} {
		require.Regexp(t, `(?i)safelisted`, printed(t, Options{Format: Table, Width: width}, f))
	}
}
