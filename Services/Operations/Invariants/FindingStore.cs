using ConcertSaga.Operations.Data;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Operations.Invariants;

internal static class FindingStore
{
    /// <summary>The maximum number of findings of an invariant that are kept. More of them have the same cause.</summary>
    public const int MaxFindings = 1_000;

    /// <summary>Adds the new findings of a check, and marks those that it has seen again.</summary>
    /// <returns>The new ones.</returns>
    public static async Task<List<InvariantFinding>> StoreAsync(
        this OperationsDbContext database, InvariantCheck check, Dictionary<string, string> found, DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        string[] subjects = [.. found.Keys];
        var known = await database.InvariantFindings
            .Where(finding => finding.Invariant == check.Invariant && subjects.Contains(finding.Subject))
            .ToDictionaryAsync(finding => finding.Subject, cancellationToken);
        var count = await database.InvariantFindings.CountAsync(finding => finding.Invariant == check.Invariant, cancellationToken);
        var added = new List<InvariantFinding>();
        foreach (var (subject, text) in found)
        {
            var detail = text.Length <= OperationsDbContext.MaxDetailLength ? text : text[..OperationsDbContext.MaxDetailLength];
            if (known.TryGetValue(subject, out var finding))
                (finding.Detail, finding.RunId) = (detail, check.RunId!.Value);
            else if (count++ < MaxFindings)
                added.Add(new InvariantFinding
                {
                    Invariant = check.Invariant,
                    Subject = subject,
                    Detail = detail,
                    FoundAt = now,
                    RunId = check.RunId!.Value
                });
        }
        database.InvariantFindings.AddRange(added);
        return added;
    }
}
