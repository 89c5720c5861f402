/**
 * The rules of CONTRIBUTING.md about the shape of the sources, as functions of source texts, so that
 * the rules can themselves be tested: sizes, docstrings, what the language offers and is not used,
 * and members that nobody uses.
 */
import ts from 'typescript';

/** A file that is longer has two subjects. */
const FILE_LINES_MAX = 400;
/** Likewise a function, a method or a constructor. */
const FUNCTION_LINES_MAX = 70;

/**
 * Faults of single files, one line each (`folder/file.ts:3: what is wrong`), sorted; none: [].
 * @param files texts by path below src/ (`tcp/tcp-client.ts`)
 */
export function shapeFaults(files: ReadonlyMap<string, string>): string[] {
  const faults: string[] = [];
  for (const [path, text] of files) {
    const source = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
    const add = (node: ts.Node, what: string) => {
      faults.push(`${path}:${lineOf(source, node)}: ${what}`);
    };
    const lines = text.split('\n').length - 1;
    if (lines > FILE_LINES_MAX) faults.push(`${path}:1: ${lines} lines`);
    if (isBarrel(source)) faults.push(`${path}:1: only exports what other files have`);
    for (const node of exportedWithoutDocs(source)) add(node, `no docstring: ${nameOf(node)}`);
    const visit = (node: ts.Node): void => {
      const fault = languageFault(node) ?? lengthFault(source, node);
      if (fault !== null) add(node, fault);
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return faults.sort();
}

function languageFault(node: ts.Node): string | null {
  if (node.kind === ts.SyntaxKind.AnyKeyword) return 'any';
  if (ts.isNonNullExpression(node)) return 'the type says that it may be missing, ! that it is not';
  if (ts.isPropertyDeclaration(node) && node.exclamationToken !== undefined) return 'set by nobody';
  if (ts.isEnumDeclaration(node)) return 'enum';
  return null;
}

function lengthFault(source: ts.SourceFile, node: ts.Node): string | null {
  if (!ts.isFunctionLike(node) || !('body' in node) || node.body === undefined) return null;
  const first = source.getLineAndCharacterOfPosition(node.getStart(source)).line;
  const lines = source.getLineAndCharacterOfPosition(node.getEnd()).line - first + 1;
  return lines > FUNCTION_LINES_MAX ? `a function of ${lines} lines` : null;
}

/** Whether a file does nothing but export from others. */
function isBarrel({ statements }: ts.SourceFile): boolean {
  const exported = statements.filter((statement) => !ts.isImportDeclaration(statement));
  return (
    exported.length > 0 &&
    exported.every(
      (statement) =>
        ts.isExportDeclaration(statement) &&
        (statement.moduleSpecifier !== undefined || statement.exportClause !== undefined),
    )
  );
}

/** What a file exports under a name of which no declaration has a docstring. */
function exportedWithoutDocs(source: ts.SourceFile): ts.Node[] {
  const first = new Map<string, ts.Node>();
  const documented = new Set<string>();
  const exportedLater = new Set<string>();
  for (const statement of source.statements) {
    if (ts.isExportDeclaration(statement) && statement.moduleSpecifier === undefined) {
      const clause = statement.exportClause;
      if (clause !== undefined && ts.isNamedExports(clause)) {
        for (const { propertyName, name } of clause.elements) {
          exportedLater.add((propertyName ?? name).text);
        }
      }
    }
  }
  for (const statement of source.statements) {
    for (const node of declarationsOf(statement)) {
      const name = nameOf(node);
      if (!isExported(statement) && !exportedLater.has(name)) continue;
      if (!first.has(name)) first.set(name, node);
      if (hasDocs(source, statement)) documented.add(name);
    }
  }
  return [...first].filter(([name]) => !documented.has(name)).map(([, node]) => node);
}

function declarationsOf(statement: ts.Statement): readonly ts.Node[] {
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations;
  const isNamed =
    ts.isFunctionDeclaration(statement) ||
    ts.isClassDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement);
  return isNamed ? [statement] : [];
}

const isExported = (statement: ts.Statement): boolean =>
  ts.canHaveModifiers(statement) &&
  (ts.getModifiers(statement) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);

/** Constants that follow each other without an empty line share the docstring of the first. */
function hasDocs(source: ts.SourceFile, statement: ts.Statement): boolean {
  const ranges = ts.getLeadingCommentRanges(source.text, statement.getFullStart()) ?? [];
  if (ranges.some(({ pos }) => source.text.startsWith('/**', pos))) return true;
  const before = source.statements[source.statements.indexOf(statement) - 1];
  const areConstants =
    before !== undefined && ts.isVariableStatement(before) && ts.isVariableStatement(statement);
  if (!areConstants) return false;
  const between = source.text.slice(before.getEnd(), statement.getStart(source));
  return !/\n\s*\n/.test(between) && hasDocs(source, before);
}

function nameOf(node: ts.Node): string {
  const { name } = node as ts.Node & { name?: ts.Node };
  return name !== undefined && ts.isIdentifier(name) ? name.text : node.getText();
}

/**
 * Public members of classes, and members of exported interfaces, that nobody names outside their own
 * class: one line each (`folder/file.ts:3: Class.member is used by nobody`), sorted.
 *
 * A member is also used where another type is named that its own can stand for (a port that a class
 * implements), and where its type as a whole leaves the program: into what takes anything (JSON, a
 * message to another thread), by the library's interface.
 * @param program sources, tests and benches
 * @param root the folder of the sources, as the program's paths begin
 * @param surface the file whose exports others use
 * @param named names of members that sources without types use
 */
export function unusedMembers(
  program: ts.Program,
  root: string,
  surface: string,
  named: ReadonlySet<string> = new Set(),
): string[] {
  const checker = program.getTypeChecker();
  const sources = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(root));
  const uses = new Uses(checker);
  for (const source of program.getSourceFiles()) {
    if (source.fileName.includes('/node_modules/')) continue;
    uses.visit(source);
    if (source.fileName === surface) uses.exportsOf(source);
  }
  const faults: string[] = [];
  for (const source of sources) {
    const path = source.fileName.slice(root.length);
    for (const member of membersOf(source)) {
      if (uses.has(member) || named.has(nameOf(member))) continue;
      const owner = nameOf(member.parent);
      faults.push(
        `${path}:${lineOf(source, member)}: ${owner}.${nameOf(member)} is used by nobody`,
      );
    }
  }
  return faults.sort();
}

type Member =
  | ts.MethodDeclaration
  | ts.PropertyDeclaration
  | ts.AccessorDeclaration
  | ts.PropertySignature
  | ts.MethodSignature;

function membersOf(source: ts.SourceFile): Member[] {
  const found: Member[] = [];
  for (const statement of source.statements) {
    const isOwner = ts.isClassDeclaration(statement) || ts.isInterfaceDeclaration(statement);
    if (!isOwner || !isExported(statement)) continue;
    for (const member of statement.members) if (isPublicMember(member)) found.push(member);
  }
  return found;
}

function isPublicMember(node: ts.ClassElement | ts.TypeElement): node is Member & typeof node {
  const isMember =
    ts.isMethodDeclaration(node) ||
    ts.isPropertyDeclaration(node) ||
    ts.isGetAccessorDeclaration(node) ||
    ts.isPropertySignature(node) ||
    ts.isMethodSignature(node);
  if (!isMember || !ts.isIdentifier(node.name)) return false;
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected | ts.ModifierFlags.Override;
  return (ts.getCombinedModifierFlags(node) & hidden) === 0;
}

/** Which members are used, gathered source by source. */
class Uses {
  readonly #checker: ts.TypeChecker;
  /** Declarations of members that are named outside their own class. */
  readonly #used = new Set<ts.Declaration>();
  /** The same by name: for types that can stand for each other. */
  readonly #byName = new Map<string, Set<ts.Type>>();
  readonly #whole = new Set<ts.Type>();

  constructor(checker: ts.TypeChecker) {
    this.#checker = checker;
  }

  /** Whether anybody uses it, by its own type or by one that its type can stand for. */
  has(member: Member): boolean {
    if (this.#used.has(member)) return true;
    const own = this.#checker.getTypeAtLocation(member.parent);
    for (const type of this.#byName.get(nameOf(member)) ?? []) {
      if (type !== own && this.#checker.isTypeAssignableTo(own, type)) return true;
    }
    return false;
  }

  visit(node: ts.Node): void {
    if (ts.isPropertyAccessExpression(node)) {
      this.#take(node.name, this.#checker.getTypeAtLocation(node.expression));
    } else if (ts.isElementAccessExpression(node)) this.#takeElement(node);
    else if (ts.isBindingElement(node) && ts.isObjectBindingPattern(node.parent)) {
      this.#takeBinding(node);
    } else if (ts.isSpreadAssignment(node)) {
      this.#takeAll(this.#checker.getTypeAtLocation(node.expression));
    } else if (ts.isCallExpression(node)) this.#takeCall(node);
    ts.forEachChild(node, (child) => this.visit(child));
  }

  /** Whatever a file exports is read by those who import it, through and through. */
  exportsOf(source: ts.SourceFile): void {
    const symbol = this.#checker.getSymbolAtLocation(source);
    if (symbol === undefined) return;
    for (const exported of this.#checker.getExportsOfModule(symbol)) {
      const isAlias = (exported.flags & ts.SymbolFlags.Alias) !== 0;
      const of = isAlias ? this.#checker.getAliasedSymbol(exported) : exported;
      this.#leave(this.#checker.getDeclaredTypeOfSymbol(of));
    }
  }

  #take(at: ts.Node, type: ts.Type): void {
    const symbol = this.#checker.getSymbolAtLocation(at);
    if (symbol !== undefined) this.#takeSymbol(symbol, type, at);
  }

  #takeSymbol(symbol: ts.Symbol, type: ts.Type, at: ts.Node): void {
    for (const declaration of declarationsBehind(symbol, this.#checker)) {
      if (!isWithin(at, declaration.parent)) this.#used.add(declaration);
    }
    for (const part of type.isUnion() ? type.types : [type]) {
      if (isWithin(at, part.symbol?.valueDeclaration)) continue;
      const types = this.#byName.get(symbol.name) ?? new Set();
      this.#byName.set(symbol.name, types.add(this.#checker.getNonNullableType(part)));
    }
  }

  #takeElement(node: ts.ElementAccessExpression): void {
    const type = this.#checker.getTypeAtLocation(node.expression);
    const named = this.#checker.getTypeAtLocation(node.argumentExpression);
    const key = this.#checker.getBaseConstraintOfType(named) ?? named;
    for (const part of key.isUnion() ? key.types : [key]) {
      if (!part.isStringLiteral()) continue;
      for (const of of type.isUnion() ? type.types : [type]) {
        const symbol = of.getProperty(part.value);
        if (symbol !== undefined) this.#takeSymbol(symbol, of, node);
      }
    }
  }

  #takeBinding(node: ts.BindingElement): void {
    const type = this.#checker.getTypeAtLocation(node.parent);
    if (node.dotDotDotToken !== undefined) {
      this.#takeAll(type);
      return;
    }
    const name = node.propertyName ?? node.name;
    if (!ts.isIdentifier(name)) return;
    for (const part of type.isUnion() ? type.types : [type]) {
      const symbol = part.getProperty(name.text);
      if (symbol !== undefined) this.#takeSymbol(symbol, part, node);
    }
  }

  /** What is spread out, or walked by its keys, is read as a whole. */
  #takeAll(type: ts.Type): void {
    for (const part of type.isUnion() ? type.types : [type]) {
      for (const symbol of part.getProperties()) {
        for (const declaration of declarationsBehind(symbol, this.#checker)) {
          this.#used.add(declaration);
        }
      }
    }
  }

  #takeCall(node: ts.CallExpression): void {
    const called = node.expression.getText();
    const walks = /^Object\.(entries|values|assign)$/.test(called);
    const parameters = this.#checker.getResolvedSignature(node)?.parameters ?? [];
    for (const [i, argument] of node.arguments.entries()) {
      const parameter = parameters.at(Math.min(i, parameters.length - 1));
      const isUntyped =
        parameter !== undefined &&
        (this.#checker.getTypeOfSymbol(parameter).flags &
          (ts.TypeFlags.Unknown | ts.TypeFlags.Any)) !==
          0;
      if (!walks && !isUntyped) continue;
      const type = this.#checker.getTypeAtLocation(argument);
      if (walks) this.#takeAll(type);
      else this.#leave(type);
    }
  }

  /** A type that leaves the program is read to its depth. */
  #leave(type: ts.Type): void {
    if (this.#whole.has(type)) return;
    this.#whole.add(type);
    this.#takeAll(type);
    if (type.isUnionOrIntersection()) for (const part of type.types) this.#leave(part);
    for (const argument of this.#checker.getTypeArguments(type as ts.TypeReference) ?? []) {
      this.#leave(argument);
    }
    for (const symbol of type.getProperties()) {
      const declaration = symbol.valueDeclaration ?? symbol.declarations?.at(0);
      if (declaration === undefined) continue;
      if (!/\/src\//.test(declaration.getSourceFile().fileName)) continue;
      this.#leave(this.#checker.getTypeOfSymbolAtLocation(symbol, declaration));
    }
  }
}

/** The declarations of a member, those that a generic, a Pick or a Readonly stands for included. */
function declarationsBehind(symbol: ts.Symbol, checker: ts.TypeChecker): readonly ts.Declaration[] {
  return checker.getRootSymbols(symbol).flatMap((root) => root.declarations ?? []);
}

/** Whether a node lies within a class. */
function isWithin(node: ts.Node, owner: ts.Node | undefined): boolean {
  if (owner === undefined || !ts.isClassLike(owner)) return false;
  for (let at: ts.Node = node; at !== undefined; at = at.parent) if (at === owner) return true;
  return false;
}

const lineOf = (source: ts.SourceFile, node: ts.Node): number =>
  source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
