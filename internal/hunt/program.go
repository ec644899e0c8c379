package hunt

// Program names a file that can be run by its MIME type as Zeek determines it, else empty.
func Program(mime string) string {
	switch mime {
	case "application/x-dosexec":
		return "a Windows program"
	case "application/x-executable", "application/x-sharedlib", "application/x-object":
		return "an ELF program"
	case "application/x-mach-o-executable":
		return "a macOS program"
	}
	return ""
}
