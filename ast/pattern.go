package ast

// Pattern is a word of policy as the language means it after the lexer's
// first pass: without its quotes, with numeric and letter escapes decoded. It
// is still glob text (AARE): `*`, `**`, `?`, `[ ]`, `{ , }` and `@{VAR}` are
// live, and a backslash makes the byte after it literal. It holds bytes, not
// characters, and never a NUL.
//
// Literal makes the Pattern that matches one path and nothing else; Glob
// checks text that is meant as a pattern. The empty Pattern means absent.
type Pattern string
