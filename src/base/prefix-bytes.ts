/**
 * Octets of payload that are handed over with the headers of a reply, in every mode: enough for the
 * header of nearly every HTTP answer (a stock nginx sends 236 octets, with cookies and policies
 * 700), which says where the answer ends.
 */
export const PREFIX_BYTES = 1_024;

/** The most that can be asked for: with headers it fits the records of the intercept's channel. */
export const PREFIX_BYTES_MAX = 4_096;
