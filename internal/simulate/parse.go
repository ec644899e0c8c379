package simulate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxScenario limits the size of a scenario, in bytes.
const maxScenario = 4 << 20

// Parse reads a scenario in YAML. Missing keys are as in [Default]; lists (services, implants, internal) replace the
// default ones. Unknown keys, durations without a unit and values out of range are errors that name the key; they are
// returned together, joined. An empty text is the default.
func Parse(r io.Reader) (Scenario, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxScenario+1))
	if err != nil {
		return Scenario{}, fmt.Errorf("read scenario: %w", err)
	}
	if len(text) > maxScenario {
		return Scenario{}, fmt.Errorf("scenario is larger than %d bytes", maxScenario)
	}
	sc := Default()
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&sc); err != nil {
		if errors.Is(err, io.EOF) {
			return sc, nil
		}
		return Scenario{}, fmt.Errorf("scenario: %w", named(err, text))
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Scenario{}, errors.New("scenario: more than one document in the file")
	}
	if err := sc.Validate(); err != nil {
		return Scenario{}, fmt.Errorf("scenario: %w", err)
	}
	return sc, nil
}

// named adds the key to a decoder's error, which has only the line.
func named(err error, text []byte) error {
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil {
		return err
	}
	var bad *valueError
	if errors.As(err, &bad) {
		if key := keyAt(&doc, "", func(n *yaml.Node) bool { return n.Line == bad.line && n.Column == bad.column }); key != "" {
			return fmt.Errorf("%s (line %d): %w", key, bad.line, bad.err)
		}
		return err
	}
	var types *yaml.TypeError
	if !errors.As(err, &types) {
		// Addresses, networks and times are parsed by their packages, whose errors quote the value.
		line := 0
		key := keyAt(&doc, "", func(n *yaml.Node) bool {
			line = n.Line
			return n.Kind == yaml.ScalarNode && strings.Contains(err.Error(), strconv.Quote(n.Value))
		})
		if key == "" {
			return err
		}
		return fmt.Errorf("%s (line %d): %w", key, line, err)
	}
	var errs []error
	for _, m := range types.Errors {
		errs = append(errs, errors.New(reword(m, &doc)))
	}
	return errors.Join(errs...)
}

var (
	lineOf  = regexp.MustCompile(`^line (\d+): (?s:(.*))$`)
	unknown = regexp.MustCompile(`^field (?s:(.*)) not found in type `)
)

// reword turns messages such as "line 3: field x not found in type y" into terms of the file.
func reword(m string, doc *yaml.Node) string {
	parts := lineOf.FindStringSubmatch(m)
	if parts == nil {
		return m
	}
	line, _ := strconv.Atoi(parts[1])
	if f := unknown.FindStringSubmatch(parts[2]); f != nil {
		return fmt.Sprintf("%s (line %d): there is no such key", f[1], line)
	}
	if key := keyAt(doc, "", func(n *yaml.Node) bool { return n.Line == line }); key != "" {
		return fmt.Sprintf("%s (line %d): %s", key, line, strings.TrimPrefix(parts[2], "cannot unmarshal "))
	}
	return m
}

// keyAt returns the path of the first matching value, such as implants[2].period.
func keyAt(n *yaml.Node, path string, meant func(*yaml.Node) bool) string {
	switch n.Kind {
	case yaml.DocumentNode:
		for _, c := range n.Content {
			if key := keyAt(c, path, meant); key != "" {
				return key
			}
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := strings.TrimPrefix(path+"."+n.Content[i].Value, ".")
			if found := keyAt(n.Content[i+1], key, meant); found != "" {
				return found
			}
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			if found := keyAt(c, fmt.Sprintf("%s[%d]", path, i), meant); found != "" {
				return found
			}
		}
	case yaml.ScalarNode, yaml.AliasNode:
	}
	if meant(n) {
		return path
	}
	return ""
}
