// Asks MySQL or MariaDB by mysql2: statements as text and prepared, one that cannot be prepared, another user.
// With `compress` both sides compress, and say more.
// Usage: mysql-asks.mjs HOST USER PASSWORD [change] [compress]
import { createConnection } from 'mysql2/promise';

const [host, user, password, ...more] = process.argv.slice(2);
const compress = more.includes('compress');
const connection = await createConnection({ host, user, password, database: 'load', compress });
await connection.query('select 1');
await connection.execute('select ? + 1', [41]);
await connection.execute('select who from visits where id = ?', [7]);
await connection.execute('select ? + 1', [42]);
await connection.execute('select who from nowhere where id = ?', [7]).catch(() => undefined);
await connection.execute('insert into visits (who) values (?)', ['me']);
connection.unprepare('select ? + 1');
if (more.includes('change')) await connection.changeUser({ user, password, database: 'load' });
if (compress) {
  await connection.query(`select '${'a'.repeat(20_000)}'`);
  await connection.query("select repeat('b', 100000) union all select 'c'");
  await connection.execute('insert into visits (who) values (?)', ['d'.repeat(1_000)]);
}
await connection.query('select 2');
await connection.end();
