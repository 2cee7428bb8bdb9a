using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Tells whether a message has been consumed before, asking for all that wait at once.</summary>
internal sealed class InboxReader<TDbContext> : IAsyncDisposable
    where TDbContext : DbContext
{
    private const int MostPerQuery = 256;

    private readonly IServiceScopeFactory _scopes;
    private readonly Grouped<Question> _waiting;

    public InboxReader(IServiceScopeFactory scopes)
    {
        _scopes = scopes;
        _waiting = new Grouped<Question>(AnswerAsync, MostPerQuery);
    }

    public Task<bool> WasConsumedAsync(Guid messageId, Guid consumerId)
    {
        var question = new Question(messageId, consumerId, new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously));
        return _waiting.Add(question) ? question.Answer.Task : Task.FromCanceled<bool>(new CancellationToken(true));
    }

    public ValueTask DisposeAsync() => _waiting.DisposeAsync();

    private async Task AnswerAsync(List<Question> questions)
    {
        try
        {
            await using var scope = _scopes.CreateAsyncScope();
            var inbox = scope.ServiceProvider.GetRequiredService<TDbContext>().Set<InboxState>();
            var messageIds = questions.ConvertAll(question => question.MessageId);
            var consumed = (await inbox.Where(row => messageIds.Contains(row.MessageId)).Select(row => new { row.MessageId, row.ConsumerId }).ToListAsync().ConfigureAwait(false))
                .ConvertAll(row => (row.MessageId, row.ConsumerId));
            foreach (var question in questions)
                question.Answer.TrySetResult(consumed.Contains((question.MessageId, question.ConsumerId)));
        }
        catch (Exception exception)
        {
            foreach (var question in questions)
                question.Answer.TrySetException(exception);
        }
    }

    private sealed record Question(Guid MessageId, Guid ConsumerId, TaskCompletionSource<bool> Answer);
}
