/** Many texts looked for in another, against a search for each. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FormIndex } from '../../../src/rewrite/http/form-index.ts';
import '../../helpers/property-seed.ts';

test('finds those texts that a search for each finds', () => {
  // Few letters, so that texts begin alike, overlap and lie within each other; octets beyond ASCII among them.
  const text = (max: number) =>
    fc
      .array(fc.constantFrom('a', 'b', '\xff'), { minLength: 1, maxLength: max })
      .map((letters) => letters.join(''));
  const forms = fc.array(text(9), { maxLength: 60 });
  fc.assert(
    fc.property(forms, text(80), (added, within) => {
      const index = new FormIndex<string>();
      for (const form of added) index.add(form, form);
      const naive = added.filter((form) => within.includes(form));
      expect(new Set(index.in(within))).toEqual(new Set(naive));
    }),
  );
});

test.each(['', 'abc'])(
  'a text of %j, shorter than what it is asked by, has none of the longer ones',
  (text) => {
    const index = new FormIndex<number>();
    index.add('abcd', 1);
    expect([...index.in(text)]).toEqual([]);
  },
);
