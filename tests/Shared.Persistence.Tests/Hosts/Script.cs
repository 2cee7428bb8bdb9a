using System.Collections.Concurrent;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Shared.Persistence.Tests.Hosts;

/// <summary>A message as a receiver saw it.</summary>
public sealed record Seen(
    Guid? MessageId, Guid? ConversationId, Guid? CorrelationId, Guid? InitiatorId, Guid? RequestId, string? Custom, DateTime? ExpirationTime, Uri? SourceAddress,
    Guid Id, int Number);

/// <summary>What a test tells the handlers to do, and what they tell it.</summary>
public sealed class Script
{
    /// <summary>Runs at the end of the handler, with how often this host handled the message so far.</summary>
    public Func<ConsumeContext, int, Task> AtTheEnd { get; set; } = (_, _) => Task.CompletedTask;

    /// <summary>Runs in the handler, with its context and how often this host handled the message so far.</summary>
    public Func<TestDbContext, Tell, int, Task> Write { get; set; } = (_, _, _) => Task.CompletedTask;

    /// <summary>Runs in the handler, with the services of its scope.</summary>
    public Func<IServiceProvider, Tell, int, Task> InScope { get; set; } = (_, _, _) => Task.CompletedTask;

    /// <summary>Runs before a transaction of any context of the host is committed.</summary>
    public Func<DbContext, Task> BeforeCommit { get; set; } = _ => Task.CompletedTask;

    /// <summary>Runs after a transaction of any context of the host was committed.</summary>
    public Func<DbContext, Task> AfterCommit { get; set; } = _ => Task.CompletedTask;

    /// <summary>Runs before a message leaves for the transport.</summary>
    public Func<SendContext, Task> BeforeSend { get; set; } = _ => Task.CompletedTask;

    /// <summary>Runs in the saga, with how often this host handled messages of it so far.</summary>
    public Func<int, Task> InSaga { get; set; } = _ => Task.CompletedTask;

    /// <summary>Runs in the saga after it has changed and sent.</summary>
    public Func<Task> AfterSagaChange { get; set; } = () => Task.CompletedTask;

    /// <summary>What arrived at the receiver, in order.</summary>
    public ConcurrentQueue<Seen> Arrived { get; } = new();

    /// <summary>Those of them that said they were never sent before.</summary>
    public ConcurrentQueue<Guid> First { get; } = new();

    /// <summary>How often each handler ran, and in which scope.</summary>
    public ConcurrentQueue<(Guid Id, Guid Scope)> Handled { get; } = new();

    public IReadOnlyList<Seen> ArrivedFor(Guid id) => [.. Arrived.Where(seen => seen.Id == id)];

    public int HandledFor(Guid id) => Handled.Count(handled => handled.Id == id);
}

/// <summary>One per scope, to tell scopes apart.</summary>
public sealed class ScopeMark
{
    public Guid Id { get; } = Guid.CreateVersion7();
}
