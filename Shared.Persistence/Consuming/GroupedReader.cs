using ConcertSaga.Shared.Concurrency;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Reads rows by key, with one query for all callers that wait.</summary>
internal abstract class GroupedReader<TDbContext, TKey, TRow> : IAsyncDisposable
    where TDbContext : DbContext
    where TKey : notnull
{
    private const int MaxPerQuery = 256;

    private readonly IServiceScopeFactory _scopes;
    private readonly Batcher<Question> _waiting;

    protected GroupedReader(IServiceScopeFactory scopes)
    {
        _scopes = scopes;
        _waiting = new Batcher<Question>(AnswerAsync, MaxPerQuery);
    }

    /// <summary>Returns the row of a key, or the default value if there is none. No two callers get the same object.</summary>
    public Task<TRow?> ReadAsync(TKey key)
    {
        var question = new Question(key, new TaskCompletionSource<TRow?>(TaskCreationOptions.RunContinuationsAsynchronously));
        return _waiting.Add(question) ? question.Answer.Task : Task.FromCanceled<TRow?>(new CancellationToken(true));
    }

    public ValueTask DisposeAsync() => _waiting.DisposeAsync();

    /// <summary>Reads the rows of different keys.</summary>
    protected abstract Task<Dictionary<TKey, TRow>> QueryAsync(TDbContext database, List<TKey> keys);

    private async Task AnswerAsync(List<Question> questions)
    {
        for (var remaining = questions; remaining.Count > 0;)
        {
            var asked = new Dictionary<TKey, Question>(remaining.Count);
            // A second question for the same row gets an object of its own from the next query.
            var repeated = new List<Question>();
            foreach (var question in remaining)
            {
                if (!asked.TryAdd(question.Key, question))
                    repeated.Add(question);
            }
            try
            {
                await using var scope = _scopes.CreateAsyncScope();
                var database = scope.ServiceProvider.GetRequiredService<TDbContext>();
                Dictionary<TKey, TRow> rows = [];
                await ExecutionStrategies.RunOnceAsync(database, async () => rows = await QueryAsync(database, [.. asked.Keys])
                    .ConfigureAwait(false)).ConfigureAwait(false);
                foreach (var (key, question) in asked)
                    question.Answer.TrySetResult(rows.GetValueOrDefault(key));
            }
            catch (Exception exception)
            {
                foreach (var question in asked.Values)
                    question.Answer.TrySetException(exception);
            }
            remaining = repeated;
        }
    }

    private sealed record Question(TKey Key, TaskCompletionSource<TRow?> Answer);
}
