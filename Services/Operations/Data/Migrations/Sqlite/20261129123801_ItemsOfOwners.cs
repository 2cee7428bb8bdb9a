using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Operations.Data.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class ItemsOfOwners : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<bool>(
                name: "IsBegun",
                table: "OperationItems",
                type: "INTEGER",
                nullable: false,
                defaultValue: false);

            migrationBuilder.AddColumn<Guid>(
                name: "TargetId",
                table: "OperationItems",
                type: "TEXT",
                nullable: true);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropColumn(
                name: "IsBegun",
                table: "OperationItems");

            migrationBuilder.DropColumn(
                name: "TargetId",
                table: "OperationItems");
        }
    }
}
