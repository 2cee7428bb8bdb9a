using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Shared.Hosting.Operators;

/// <summary>
/// One action of an operator, written in the transaction of the change. A refused action that was already accepted for handling also has
/// its row.
/// </summary>
public sealed class OperatorAction
{
    /// <summary>The maximum length of a reason.</summary>
    public const int MaxReasonLength = 500;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { Converters = { new JsonStringEnumConverter() } };

    /// <summary>The id. For an action that a message carries out, also the id of the message.</summary>
    public required Guid ActionId { get; init; }

    /// <summary>When it was carried out.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>The user id of the operator.</summary>
    public required string Operator { get; init; }

    /// <summary>What the operator did, such as <c>Retry</c>.</summary>
    public required string Action { get; init; }

    /// <summary>The address of the changed object below <c>/ops/api/</c>, such as <c>waiting-rooms/3</c>.</summary>
    public required string Target { get; init; }

    /// <summary>Why, in the operator's words.</summary>
    public required string Reason { get; init; }

    /// <summary>The object before the action, as a small JSON object; null if it was not recorded.</summary>
    public string? Before { get; init; }

    /// <summary>The object after the action; equal to <see cref="Before"/> if nothing changed.</summary>
    public string? After { get; init; }

    /// <summary>The code with which the action was refused; null if it was carried out.</summary>
    public string? Refusal { get; init; }

    /// <summary>Writes a small object as the JSON of <see cref="Before"/> or <see cref="After"/>.</summary>
    public static string Describe<T>(T value) => JsonSerializer.Serialize(value, Json);
}

/// <summary>Maps the actions of operators, in the database of the owner of the changed objects.</summary>
public static class OperatorActionModel
{
    /// <summary>Adds the table <c>OperatorActions</c>.</summary>
    public static void AddOperatorActions(this ModelBuilder model) => model.Entity<OperatorAction>(action =>
    {
        action.ToTable("OperatorActions");
        action.HasKey(a => a.ActionId);
        action.Property(a => a.ActionId).ValueGeneratedNever();
        action.Property(a => a.Operator).HasMaxLength(200);
        action.Property(a => a.Action).HasMaxLength(64);
        action.Property(a => a.Target).HasMaxLength(200);
        action.Property(a => a.Reason).HasMaxLength(OperatorAction.MaxReasonLength);
        action.Property(a => a.Before).HasMaxLength(2000);
        action.Property(a => a.After).HasMaxLength(2000);
        action.Property(a => a.Refusal).HasMaxLength(64);
        // For the list of all actions, and for each of its filters, which may match few of many rows or none. Operators change little, so
        // an entry in each costs little.
        action.HasIndex(a => new { a.At, a.ActionId });
        action.HasIndex(a => new { a.Target, a.At });
        action.HasIndex(a => new { a.Operator, a.At, a.ActionId });
        action.HasIndex(a => new { a.Action, a.At, a.ActionId });
        action.HasIndex(a => new { a.Operator, a.Action, a.At, a.ActionId });
    });
}
