/** Filters of frames in pcap's language, where some are asked for. */
import { FrameFilter } from '../../capture/frame-filter.ts';
import { LinkType } from '../../capture/link-types.ts';

/**
 * Filters a link type, compiled when the first frame of one is met.
 * @throws ReplayError as `compileFilter` does
 */
export async function filters(text: string): Promise<(linkType: number) => FrameFilter> {
  const { compileFilter } = await import('../../io/sys/libpcap.ts');
  const known = new Map<number, FrameFilter>();
  const filterOf = (linkType: number): FrameFilter => {
    const filter = known.get(linkType) ?? new FrameFilter(compileFilter(text, linkType));
    known.set(linkType, filter);
    return filter;
  };
  // What is wrong with the text is said before anything is read.
  filterOf(LinkType.ETHERNET);
  return filterOf;
}
