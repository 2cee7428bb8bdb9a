using ConcertSaga.Contracts.Facts;
using ConcertSaga.Operations.Data;
using ConcertSaga.Operations.Facts;
using ConcertSaga.Operations.Owners;
using ConcertSaga.Shared.Hosting.Http;

namespace ConcertSaga.Operations.Invariants;

/// <summary>A list of keys that a check walks through.</summary>
/// <param name="Owner">The owner of the list.</param>
/// <param name="Path">Its address.</param>
internal sealed record KeySource(Owner Owner, string Path);

/// <summary>How an invariant is checked: the lists of keys, and the owners whose rows are compared for each key.</summary>
/// <param name="Kind">The invariant.</param>
/// <param name="Promise">What holds, for operators.</param>
/// <param name="Sources">The lists. A key can be in more than one.</param>
/// <param name="Compared">The owners.</param>
internal sealed record Invariant(
    InvariantKind Kind, string Promise, IReadOnlyList<KeySource> Sources, IReadOnlySet<Owner> Compared)
{
    private static readonly KeySource
        Reservations = new(Owner.Orchestrator, "reservations"), Unfinished = new(Owner.Orchestrator, "unfinished"),
        Holds = new(Owner.Seats, "seats"), Deductions = new(Owner.Points, "points"), Accounts = new(Owner.Points, "accounts");

    /// <summary>All invariants.</summary>
    public static IReadOnlyList<Invariant> All { get; } =
    [
        new(InvariantKind.SeatsSoldOnce, "No seat is held or sold twice.", [Holds, Reservations], Set(Owner.Seats)),
        new(InvariantKind.BalanceEqualsLedger, "Each balance is the sum of its ledger, and never negative.", [Accounts], Set(Owner.Points)),
        new(InvariantKind.DebitsMatchOutcomes, "Each debit ends with one confirmed reservation or one refund.", [Deductions, Reservations],
            Set(Owner.Points, Owner.Payments)),
        new(InvariantKind.HoldsHaveReservations, "No hold is without a reservation that can still have the seats.", [Holds],
            Set(Owner.Seats)),
        new(InvariantKind.OutcomesDelivered, "Each outcome of a paid reservation is delivered.", [Reservations], Set(Owner.DataPlatform)),
        new(InvariantKind.DeadlinesKept, "No reservation is past its deadline.", [Unfinished], Set())
    ];

    public static Invariant Of(InvariantKind kind) => All.Single(invariant => invariant.Kind == kind);

    /// <summary>The address of a key below <c>/ops/api/</c>.</summary>
    public string SubjectOf(string key) => Kind == InvariantKind.BalanceEqualsLedger ? $"accounts/{key}" : $"reservations/{key}";

    /// <summary>Compares the rows of some keys.</summary>
    /// <returns>The keys whose rows disagree, and how.</returns>
    public async Task<IReadOnlyDictionary<string, string>> LookAsync(
        string[] keys, OwnerClient owners, FactReader facts, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (keys is [])
            return new Dictionary<string, string>();
        if (Kind == InvariantKind.BalanceEqualsLedger)
            return await LookAtAccountsAsync(keys, owners, cancellationToken);
        Guid[] ids = [.. keys.Select(key => ValueReader.TryRead(key, out Guid id) ? id
            : throw new HttpRequestException($"An owner returned the key {key}, which is no id."))];
        var sheets = await facts.ReadAsync(ids, Compared, cancellationToken);
        return sheets.Select(sheet => (Key: $"{sheet.ReservationId}", Found: Disagreements.Of(sheet, now)
                .Where(disagreement => disagreement.Invariant == Kind).Select(disagreement => disagreement.Detail).ToList()))
            .Where(look => look.Found.Count > 0).ToDictionary(look => look.Key, look => string.Join(' ', look.Found));
    }

    private static async Task<IReadOnlyDictionary<string, string>> LookAtAccountsAsync(
        string[] users, OwnerClient owners, CancellationToken cancellationToken)
    {
        var accounts = await owners.PostAsync<List<AccountFact>>(
            Owner.Points, "/internal/facts/accounts", new AccountFactRequest(users), cancellationToken);
        return accounts.Where(account => account.Balance != account.LedgerSum || account.EntryCount != account.LedgerCount
                || account.Balance < 0)
            .ToDictionary(account => account.UserId, account => $"The balance is {account.Balance} after {account.EntryCount} entries, and "
                + $"the {account.LedgerCount} entries of the ledger sum to {account.LedgerSum}.");
    }

    private static HashSet<Owner> Set(params Owner[] owners) => [.. owners];
}
