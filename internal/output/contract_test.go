package output

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// docs/output.md documents every printed field.
func TestEveryFieldIsDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/output.md")
	require.NoError(t, err)
	for _, name := range leaves(reflect.TypeFor[hunt.Finding](), "") {
		documented := strings.Contains(string(b), "`"+name+"`")
		if i := strings.LastIndex(name, "."); !documented && i > 0 {
			documented = strings.Contains(string(b), "`"+name[:i]+".*`")
		}
		require.True(t, documented, "docs/output.md does not name %s", name)
	}
}

func leaves(t reflect.Type, prefix string) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[hunt.Time]() || t.PkgPath() == "net/netip" {
		return []string{strings.TrimSuffix(prefix, ".")}
	}
	var out []string
	for i := range t.NumField() {
		if t.Field(i).Anonymous {
			out = append(out, leaves(t.Field(i).Type, prefix)...)
			continue
		}
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		out = append(out, leaves(t.Field(i).Type, prefix+name+".")...)
	}
	return out
}
