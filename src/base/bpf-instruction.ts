/** One instruction of a classic BPF program: struct sock_filter (linux/filter.h), struct bpf_insn (pcap/bpf.h). */
export interface BpfInstruction {
  readonly code: number;
  /** How many instructions a jump skips where its condition is true, and where it is false. */
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}
