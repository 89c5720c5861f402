/** Room for a few batches of full frames (each is charged about 2 KB) before the kernel says EAGAIN. */
export const SEND_BUFFER_BYTES = 4 << 20;
