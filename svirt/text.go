package svirt

// AppendText appends the rules as lines of policy, without a heading.
func (r *Rules) AppendText(dst []byte) []byte {
	return append(dst, r.text...)
}
