using ConcertSaga.Shared.Concurrency;
using ConcertSaga.Shared.Hosting.Failures;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace ConcertSaga.Shared.Hosting.Messaging;

/// <summary>Decides about the commands of a service. Each group gets a new instance.</summary>
public interface ICommandHandler
{
    /// <summary>How long a command that is handled alone waits for its locks. Others do not wait for it.</summary>
    static virtual TimeSpan MaxWaitAlone => TimeSpan.FromSeconds(1);

    /// <summary>Decides about the commands one after the other, and commits all decisions together.</summary>
    /// <param name="commands">The commands, in the order of their arrival.</param>
    /// <param name="lockWait">Limits the wait for locks.</param>
    /// <returns>The outcome of each command.</returns>
    Task<CommandOutcome[]> HandleAsync(IReadOnlyList<object> commands, LockWait lockWait);
}

/// <summary>How long commands wait for their locks.</summary>
public sealed class LockWait(TimeSpan limit) : IDisposable
{
    private readonly CancellationTokenSource _over = new();

    /// <summary>Whether the time was not enough.</summary>
    public bool IsOver => _over.IsCancellationRequested;

    /// <summary>Starts the time. The token ends the wait.</summary>
    public CancellationToken Start()
    {
        _over.CancelAfter(limit);
        return _over.Token;
    }

    /// <summary>Stops the time. Call it when the locks are taken.</summary>
    public void Stop() => _over.CancelAfter(Timeout.InfiniteTimeSpan);

    /// <inheritdoc />
    public void Dispose() => _over.Dispose();
}

/// <summary>What follows the commit of a command.</summary>
/// <param name="Reply">Published first, unless the command is a call within the process, which gets it.</param>
/// <param name="AfterReply">Runs then; null if nothing is left to do.</param>
public sealed record CommandOutcome(object Reply, Func<ConsumeContext, Task>? AfterReply = null);

/// <summary>
/// Lets the commands that arrive during a transaction share the next one. A command that finds the service idle is handled at once. If a
/// group fails, each of its commands is handled again, alone, so that none can fail another. One that has failed stays alone.
/// </summary>
public sealed class CommandGroups<THandler> : IAsyncDisposable
    where THandler : ICommandHandler
{
    // A larger group would save hardly anything, and hold its locks for longer.
    private const int MaxGroup = 64;

    // All commands that arrive meanwhile wait as long.
    private static readonly TimeSpan MaxGroupWait = TimeSpan.FromSeconds(1);

    // Each holds a connection.
    private const int MaxAlone = 16;
    private const int MaxRetried = 4;

    private readonly SemaphoreSlim _alone = new(MaxAlone);
    private readonly SemaphoreSlim _retried = new(MaxRetried);
    private readonly IServiceScopeFactory _scopes;
    private readonly Batcher<Waiting> _waiting;

    /// <summary>Creates it without commands.</summary>
    public CommandGroups(IServiceScopeFactory scopes)
    {
        _scopes = scopes;
        _waiting = new Batcher<Waiting>(HandleGroupAsync, MaxGroup);
    }

    /// <summary>Returns when the decision about the command is committed.</summary>
    /// <param name="command">The command.</param>
    /// <param name="isRetry">Whether it has failed before. Then it is handled alone, and others do not wait for it.</param>
    public Task<CommandOutcome> HandleAsync(object command, bool isRetry = false)
    {
        var waiting = new Waiting(command, new TaskCompletionSource<CommandOutcome>(TaskCreationOptions.RunContinuationsAsynchronously));
        if (isRetry)
        {
            _ = HandleAloneAsync(waiting, _retried);
            return waiting.Outcome.Task;
        }
        return _waiting.Add(waiting) ? waiting.Outcome.Task
            : throw new OperationCanceledException("The service stops. The command must be repeated.");
    }

    /// <summary>Refuses new commands. The bus and the server have waited for the others.</summary>
    public ValueTask DisposeAsync() => _waiting.DisposeAsync();

    private async Task HandleGroupAsync(List<Waiting> group)
    {
        using var lockWait = new LockWait(MaxGroupWait);
        try
        {
            Complete(group, await HandleAsync(group, lockWait));
        }
        catch (Exception exception) when (lockWait.IsOver || (group.Count > 1 && IsCausedByOneCommand(exception)))
        {
            // The next group does not wait for them.
            foreach (var waiting in group)
                _ = HandleAloneAsync(waiting, _alone);
        }
        catch (Exception exception)
        {
            Fail(group, exception);
        }
    }

    private async Task HandleAloneAsync(Waiting waiting, SemaphoreSlim room)
    {
        await room.WaitAsync();
        using var lockWait = new LockWait(THandler.MaxWaitAlone);
        List<Waiting> group = [waiting];
        try
        {
            Complete(group, await HandleAsync(group, lockWait));
        }
        catch (Exception exception)
        {
            // A message is retried later, and holds no connection until then.
            Fail(group, lockWait.IsOver ? new TimeoutException("Another transaction kept a lock for too long.", exception) : exception);
        }
        finally
        {
            room.Release();
        }
    }

    private async Task<CommandOutcome[]> HandleAsync(List<Waiting> group, LockWait lockWait)
    {
        await using var scope = _scopes.CreateAsyncScope();
        return await scope.ServiceProvider.GetRequiredService<THandler>()
            .HandleAsync(group.ConvertAll(waiting => waiting.Command), lockWait);
    }

    private static void Complete(List<Waiting> group, CommandOutcome[] outcomes)
    {
        foreach (var (waiting, outcome) in group.Zip(outcomes))
            waiting.Outcome.TrySetResult(outcome);
    }

    private static void Fail(List<Waiting> group, Exception exception) =>
        group.ForEach(waiting => waiting.Outcome.TrySetException(exception));

    // Other transient failures concern the database, and each message is retried later.
    private static bool IsCausedByOneCommand(Exception exception) =>
        exception is DbUpdateConcurrencyException || !FailurePolicy.IsTransient(exception) || FailurePolicy.IsDeadlock(exception);

    private sealed record Waiting(object Command, TaskCompletionSource<CommandOutcome> Outcome);
}

/// <summary>Replies to each command when the decision about it is committed.</summary>
public sealed class CommandConsumer<THandler, TCommand>(CommandGroups<THandler> groups) : IConsumer<TCommand>
    where THandler : ICommandHandler
    where TCommand : class
{
    /// <inheritdoc />
    public async Task Consume(ConsumeContext<TCommand> context)
    {
        var outcome = await groups.HandleAsync(context.Message, isRetry: context.GetRetryAttempt() > 0);
        try
        {
            await context.ReplyAsync(outcome.Reply);
        }
        finally
        {
            // A retry finds the decision, and has nothing left to do after its reply.
            if (outcome.AfterReply is { } afterReply)
                await afterReply(context);
        }
    }
}

/// <summary>Registers the commands of a service.</summary>
public static class CommandRegistration
{
    /// <summary>Adds the groups of <typeparamref name="THandler"/>.</summary>
    public static IServiceCollection AddCommandGroups<THandler>(this IServiceCollection services)
        where THandler : class, ICommandHandler
    {
        services.TryAddScoped<THandler>();
        services.TryAddSingleton<CommandGroups<THandler>>();
        return services;
    }

    /// <summary>Handles the commands of a queue in the groups of <typeparamref name="THandler"/>.</summary>
    public static void AddCommand<THandler, TCommand>(this IBusRegistrationConfigurator bus, string queue)
        where THandler : class, ICommandHandler
        where TCommand : class
    {
        bus.AddCommandGroups<THandler>();
        bus.AddConsumer<CommandConsumer<THandler, TCommand>>().Endpoint(endpoint => endpoint.Name = queue);
    }
}
