using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Reads rows by key, all that are waited for with one query.</summary>
internal abstract class GroupedReader<TDbContext, TKey, TRow> : IAsyncDisposable
    where TDbContext : DbContext
    where TKey : notnull
{
    private const int MostPerQuery = 256;

    private readonly IServiceScopeFactory _scopes;
    private readonly Grouped<Question> _waiting;

    protected GroupedReader(IServiceScopeFactory scopes)
    {
        _scopes = scopes;
        _waiting = new Grouped<Question>(AnswerAsync, MostPerQuery);
    }

    /// <summary>The row of a key; null, or the value's default, where there is none. No two askers get the same object.</summary>
    public Task<TRow?> ReadAsync(TKey key)
    {
        var question = new Question(key, new TaskCompletionSource<TRow?>(TaskCreationOptions.RunContinuationsAsynchronously));
        return _waiting.Add(question) ? question.Answer.Task : Task.FromCanceled<TRow?>(new CancellationToken(true));
    }

    public ValueTask DisposeAsync() => _waiting.DisposeAsync();

    /// <summary>Reads the rows of different keys.</summary>
    protected abstract Task<Dictionary<TKey, TRow>> ReadAsync(TDbContext database, List<TKey> keys);

    private async Task AnswerAsync(List<Question> questions)
    {
        for (var left = questions; left.Count > 0;)
        {
            var (asked, again) = (new Dictionary<TKey, Question>(left.Count), new List<Question>());
            foreach (var question in left)
            {
                if (!asked.TryAdd(question.Key, question))
                    again.Add(question);
            }
            try
            {
                await using var scope = _scopes.CreateAsyncScope();
                var rows = await ReadAsync(scope.ServiceProvider.GetRequiredService<TDbContext>(), [.. asked.Keys]).ConfigureAwait(false);
                foreach (var (key, question) in asked)
                    question.Answer.TrySetResult(rows.GetValueOrDefault(key));
            }
            catch (Exception exception)
            {
                foreach (var question in asked.Values)
                    question.Answer.TrySetException(exception);
            }
            left = again;
        }
    }

    private sealed record Question(TKey Key, TaskCompletionSource<TRow?> Answer);
}
